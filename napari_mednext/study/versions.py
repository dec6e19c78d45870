"""The model versions that a study has seen, each with a code of one byte."""

from __future__ import annotations

from napari_mednext.errors import InputError
from napari_mednext.study.case import ModelVersion
from napari_mednext.study.part import StudyPart

__all__ = ["ModelVersions", "unknown_model"]

#: Provenance has seven bits for the source; 0 is nobody and 1 a person.
_FIRST_CODE, _LAST_CODE = 2, 127


class ModelVersions(StudyPart):
    """Names and digests of model versions, and their codes."""

    def model_code(self, name: str, sha256: str) -> int:
        """Return the code of a model version; a version not seen before gets one.

        Parameters
        ----------
        name : str
            What the model is called.
        sha256 : str
            Digest of its weights.

        Returns
        -------
        int
            2..127, the same for the same name and digest in all processes.

        Raises
        ------
        InputError
            If all codes are given to other versions.
        StorageError
            If the study cannot be written to.
        """
        with self._database.change() as connection:
            row = connection.execute(
                "SELECT code FROM model WHERE name = ? AND sha256 = ?", (name, sha256)
            ).fetchone()
            if row is not None:
                return int(row["code"])
            (last,) = connection.execute("SELECT MAX(code) FROM model").fetchone()
            code = _FIRST_CODE if last is None else int(last) + 1
            if code > _LAST_CODE:
                msg = (
                    f"a study can tell {_LAST_CODE - _FIRST_CODE + 1} model versions "
                    f"apart, got one more, {name!r}: make a new study for it"
                )
                raise InputError(msg)
            connection.execute(
                "INSERT INTO model (code, name, sha256) VALUES (?, ?, ?)",
                (code, name, sha256),
            )
            return code

    def models(self) -> tuple[ModelVersion, ...]:
        """Return all model versions, oldest first."""
        rows = self._database.rows("SELECT * FROM model ORDER BY code")
        return tuple(ModelVersion(r["code"], r["name"], r["sha256"]) for r in rows)

    def model(self, code: int) -> ModelVersion:
        """Return the model version of a code.

        Raises
        ------
        InputError
            If no version has it.
        """  # noqa: DOC501 - made by unknown_model
        for version in self.models():
            if version.code == code:
                return version
        raise unknown_model(code)


def unknown_model(code: int) -> InputError:
    """Return the sentence about a code that no model version has."""
    return InputError(
        f"the study must know the code of a model version, got {code}: "
        "get one from model_code"
    )
