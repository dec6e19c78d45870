"""The files at the top of the repository say what they should and fit together."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import napari_mednext


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("napari.yaml", "napari_mednext/napari.yaml"),
        ("napari_mednext/resources", "resources"),
    ],
)
def test_link_leads_to_the_one_copy(repository, link, target):
    path = repository / link
    assert path.is_symlink()
    assert not path.readlink().is_absolute()
    assert path.resolve() == repository / target


@pytest.mark.parametrize(
    "name", ["napari_mednext", "tests", "resources", "pyproject.toml", "README.md"]
)
def test_what_was_asked_for_is_at_the_top(repository, name):
    assert (repository / name).exists()


def test_every_dependency_has_a_tested_version_within_its_bounds(repository, project):
    tested = {}
    for line in (repository / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            tested[canonicalize_name(name)] = version
    extras = project["project"]["optional-dependencies"]
    required = [*project["project"]["dependencies"], *extras["pyqt6"], *extras["dev"]]
    for requirement in map(Requirement, required):
        name = canonicalize_name(requirement.name)
        if name != "napari-mednext":
            assert requirement.specifier.contains(tested[name]), requirement


def test_changelog_speaks_of_this_version(repository):
    headings = re.findall(r"^## (\S+)", (repository / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == napari_mednext.__version__


def test_every_shipped_resource_is_credited(repository):
    notice = (repository / "NOTICE").read_text()
    samples = sorted(p.name for p in (repository / "resources/samples").iterdir())
    models = sorted(p.name for p in (repository / "resources/models").iterdir())
    missing = [name for name in samples + models if name not in notice]
    assert not missing
