"""Which doubtful spots of a case somebody has looked at."""

from __future__ import annotations

from dataclasses import dataclass

from napari_mednext.study.part import StudyPart, case_id

__all__ = ["SeenSpot", "SeenSpots"]


@dataclass(frozen=True)
class SeenSpot:
    """A doubtful spot: its number in the list of spots, its centre, whether seen.

    Parameters
    ----------
    number : int
        Place in the list of spots.
    center : (z, y, x) voxels
        Of the volume turned to LPS.
    seen : bool
        Whether somebody has looked at it.
    """

    number: int
    center: tuple[int, int, int]
    seen: bool


class SeenSpots(StudyPart):
    """The spots of every case and model version that were marked."""

    def mark_spot(
        self,
        name: str,
        number: int,
        center: tuple[int, int, int],
        *,
        model: int = 0,
        seen: bool = True,
    ) -> None:
        """Say that a spot was looked at, or is to be looked at again.

        Parameters
        ----------
        name : str
            The case.
        number : int
            Place of the spot in the list of spots.
        center : (z, y, x) voxels
            Of the volume turned to LPS.
        model : int
            Code of the model version whose doubt it is.
        seen : bool
            Whether it was looked at.

        Raises
        ------
        InputError
            If there is no such case.
        StorageError
            If the study cannot be written to.
        """
        with self._database.change() as connection:
            z, y, x = (int(coordinate) for coordinate in center)
            connection.execute(
                "INSERT OR REPLACE INTO spot VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    case_id(connection, name),
                    int(model),
                    int(number),
                    z,
                    y,
                    x,
                    int(seen),
                ),
            )

    def spots(self, name: str, *, model: int = 0) -> tuple[SeenSpot, ...]:
        """Return the marked spots of a case and a model version, by number."""
        rows = self._database.rows(
            "SELECT spot.* FROM spot JOIN cases ON cases.id = case_id "
            "WHERE cases.name = ? AND spot.model = ? ORDER BY number",
            (name, model),
        )
        return tuple(
            SeenSpot(r["number"], (r["z"], r["y"], r["x"]), bool(r["seen"]))
            for r in rows
        )
