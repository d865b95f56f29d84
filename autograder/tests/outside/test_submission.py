"""Which folders and archives are graded, and which are refused."""

import contextlib
import gzip
import io
import os
import sys
import tarfile
import tempfile
import time
import tracemalloc
import zipfile

import pytest

from graded import archive_plain
from outside import submission
from outside.submission import UnusableSubmission, opened


def refusal(path):
    """What is said of a submission that cannot be used."""
    with pytest.raises(UnusableSubmission) as caught:
        with opened(str(path)):
            pytest.fail("it was opened")
    return str(caught.value)


def archive(path, *members):
    with tarfile.open(str(path), "w") as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member.linkname, member.size = content.decode(), 0
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("inside", ["mytorch", "handin/mytorch"])
@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz"])
def test_an_archive_is_unpacked_whatever_its_compression_and_removed_again(tmp_path, kind, inside):
    path = tmp_path / "handin.tar"
    archive_plain(path, kind, inside)
    with opened(str(path)) as root:
        assert os.path.isfile(os.path.join(root, "mytorch", "tensor.py"))
    assert not os.path.exists(root)


def test_a_path_to_nothing_is_refused(tmp_path):
    assert refusal(tmp_path / "nowhere") == f"there is no folder or archive {tmp_path / 'nowhere'}"


def test_a_folder_without_mytorch_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    assert refusal(tmp_path / "mine").startswith("mine holds no folder mytorch/")


@pytest.mark.parametrize("members, text", [
    ([("../outside.py", tarfile.REGTYPE, b"x")], "outside it"),
    ([("/tmp/outside.py", tarfile.REGTYPE, b"x")], "outside it"),
    ([("mytorch/a/../../../b.py", tarfile.REGTYPE, b"x")], "outside it"),
    ([("mytorch", tarfile.SYMTYPE, b"/etc")], "link or a device"),
    ([("mytorch/x.py", tarfile.LNKTYPE, b"/etc/passwd")], "link or a device"),
    ([("mytorch/x", tarfile.CHRTYPE, b"")], "link or a device"),
    ([("mytorch/x", tarfile.FIFOTYPE, b"")], "link or a device"),
    ([("mytorch/" + "a/" * 1500 + "x.py", tarfile.REGTYPE, b"x")], "cannot"),
    ([], "empty"),
    ([("other/x.py", tarfile.REGTYPE, b"x")], "no folder mytorch"),
    ([("mytorch", tarfile.REGTYPE, b"x"), ("mytorch/a.py", tarfile.REGTYPE, b"x")], "cannot"),
])
def test_an_unsafe_or_useless_archive_is_refused(tmp_path, members, text):
    assert text in refusal(archive(tmp_path / "handin.tar", *members))
    assert not os.path.exists("/tmp/outside.py")


def test_a_zip_is_unpacked_as_a_tar_is(tmp_path):
    with zipfile.ZipFile(str(tmp_path / "handin.zip"), "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("handin/mytorch/", "")
        packed.writestr("handin/mytorch/tensor.py", "x = 1\n" * 1000)
    with opened(str(tmp_path / "handin.zip")) as root:
        assert os.path.getsize(os.path.join(root, "mytorch", "tensor.py")) == 6000
    assert not os.path.exists(root)


@pytest.mark.parametrize("name, mode, size, text", [
    ("../outside.py", 0o100644, 1, "outside it"), ("/tmp/outside.py", 0o100644, 1, "outside it"),
    ("mytorch", 0o120777, 4, "link or a device"), ("mytorch/x", 0o010644, 0, "link or a device"),
    ("mytorch/big", 0o100644, 101 << 20, "more than 100 MB"),
    ("other/x.py", 0o100644, 1, "no folder mytorch")])
def test_what_is_refused_in_a_tar_is_refused_in_a_zip(tmp_path, name, mode, size, text):
    with zipfile.ZipFile(str(tmp_path / "x.zip"), "w", zipfile.ZIP_DEFLATED) as packed:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        packed.writestr(info, b"\0" * size)
    assert text in refusal(tmp_path / "x.zip")
    assert not os.path.exists("/tmp/outside.py")


def test_a_zip_that_is_damaged_empty_or_lies_about_its_sizes_is_refused(tmp_path):
    def made(change, content=True):
        with zipfile.ZipFile(str(tmp_path / "x.zip"), "w", zipfile.ZIP_DEFLATED) as packed:
            if content:
                packed.writestr("mytorch/tensor.py", b"\0" * 5000)
        data = bytearray((tmp_path / "x.zip").read_bytes())
        change(data)
        (tmp_path / "x.zip").write_bytes(data)
        return refusal(tmp_path / "x.zip")

    def lie(data):  # in the directory at the end, that it is 10 bytes
        at = data.index(b"PK\1\2") + 24
        data[at:at + 4] = (10).to_bytes(4, "little")

    def encrypt(data):
        data[data.index(b"PK\1\2") + 8] |= 1
        data[6] |= 1

    assert "cannot be read" in made(lie)
    assert "encrypted" in made(encrypt)
    assert "cannot be read" in made(lambda data: data.__delitem__(slice(100, None)))
    assert "empty" in made(lambda data: None, content=False)


def test_an_archive_with_a_broken_header_in_the_middle_is_refused(tmp_path):
    path = tmp_path / "handin.tar"
    archive(path, *[("mytorch/%d.py" % i, tarfile.REGTYPE, b"x") for i in range(5)])
    content = bytearray(path.read_bytes())
    content[2048:2100] = b"!" * 52
    path.write_bytes(bytes(content))
    assert "cannot be read to its end" in refusal(path)


def test_an_archive_that_was_cut_between_two_files_is_refused(tmp_path):
    path = tmp_path / "handin.tar"
    archive(path, *[("mytorch/%d.py" % i, tarfile.REGTYPE, b"x") for i in range(5)])
    path.write_bytes(path.read_bytes()[:3 * 1024])
    assert "cannot be read to its end" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100])
def test_a_damaged_archive_is_refused(tmp_path, content):
    path = tmp_path / "handin.tar"
    path.write_bytes(content)
    assert "cannot" in refusal(path)


def test_a_compressed_archive_that_was_cut_off_is_refused(tmp_path):
    for kind in ("gz", "bz2", "xz"):
        path = tmp_path / ("handin.tar." + kind)
        archive_plain(path, kind)
        path.write_bytes(path.read_bytes()[:-1000])
        assert "cannot" in refusal(path)


def test_an_archive_that_is_too_large_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "handin.tar.gz"
    with tarfile.open(str(path), "w:gz") as tar:
        member = tarfile.TarInfo("mytorch/large")
        member.size = 101 << 20
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    assert "100 MB" in refusal(path)


def test_an_archive_whose_name_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "handin.tar.gz"
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    with gzip.open(str(path), "wb", 1) as stream:
        stream.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(256):
            stream.write(b"a" * (1 << 20))
    tracemalloc.start()
    try:
        assert "1 GB of memory" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


# ---- archives that cost too much

def test_an_archive_that_takes_too_long_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "handin.tar"
    archive_plain(path)
    monkeypatch.setattr(submission, "MOST_SECONDS", 0.001)
    assert "within 0.001 s" in refusal(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS has no limit of memory")
def test_an_archive_whose_map_of_holes_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "MOST_SECONDS", 2)
    path = tmp_path / "handin.tar.gz"
    with tarfile.open(str(path), "w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as tar:
        member = tarfile.TarInfo("mytorch/tensor.py")
        member.pax_headers = {"GNU.sparse.map": "0," * 20000000 + "0"}
        tar.addfile(member)
    said = refusal(path)
    assert "more than 1 GB of memory" in said or "within 2 s" in said


def test_an_archive_with_a_number_of_a_million_digits_is_refused_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "MOST_SECONDS", 1)
    path = tmp_path / "handin.tar"
    with tarfile.open(str(path), "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("mytorch/tensor.py")
        member.pax_headers = {"uid": "9" * 1000000}
        tar.addfile(member)
    started = time.monotonic()
    with contextlib.suppress(UnusableSubmission), opened(str(path)):
        assert True
    assert time.monotonic() - started < submission.MOST_SECONDS + 5


def test_an_archive_that_chains_a_million_names_is_refused_in_time(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    block = header.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")
    path = tmp_path / "handin.tar"
    path.write_bytes(block * 30000)
    assert "cannot be" in refusal(path)


@pytest.mark.parametrize("depth", [60, 500, 1900])
def test_an_archive_of_deeply_nested_folders_is_refused_and_leaves_nothing(
        tmp_path, depth, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = archive(tmp_path / "handin.tar",
                   ("mytorch/" + "a/" * depth + "x.py", tarfile.REGTYPE, b"x"))
    assert "nested more than 50 deep" in refusal(path)
    assert os.listdir(str(tmp_path)) == ["handin.tar"]


def test_folders_that_an_archive_only_implies_count_as_its_own(tmp_path):
    path = archive(tmp_path / "handin.tar", *[
        ("mytorch/" + f"{i}/" * 40 + "x.py", tarfile.REGTYPE, b"") for i in range(300)])
    started = time.monotonic()
    assert "10000 files and folders" in refusal(path)
    assert time.monotonic() - started < 5


# ---- the copy that is graded

def copied(root, tmp_path):
    target = tmp_path / "copy"
    target.mkdir()
    submission.copy(str(root), str(target))
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))


def handin(tmp_path, *files):
    root = tmp_path / "handin"
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("x = 1")
    return root


def test_a_copy_holds_mytorch_hw1_and_the_python_files_beside_them(tmp_path):
    root = handin(tmp_path, "mytorch/nn/a.py", "hw1/mnist.py", "own.py", "notes.txt", "data/x.npy",
                  "mytorch/__pycache__/a.pyc")
    assert copied(root, tmp_path) == ["hw1", "hw1/mnist.py", "mytorch", "mytorch/nn",
                                      "mytorch/nn/a.py", "own.py"]


@pytest.mark.parametrize("place", ["mytorch/odd", "mytorch", "hw1/odd", "own.py"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/etc/passwd", path)],
                         ids=["a pipe", "a link"])
def test_what_is_refused_in_an_archive_is_refused_in_a_folder(tmp_path, place, make):
    root = handin(tmp_path, "mytorch/nn/a.py", "hw1/mnist.py")
    if place == "mytorch":
        submission.remove(str(root / place))
    make(str(root / place))
    with pytest.raises(UnusableSubmission, match=f"link or a device.: {place}"):
        copied(root, tmp_path)


def test_what_macos_and_editors_add_is_passed_over_in_folders_and_archives(tmp_path):
    files = ["mytorch/tensor.py", "mytorch/._tensor.py", "mytorch/.DS_Store", ".DS_Store",
             "__MACOSX/mytorch/._tensor.py", "__MACOSX/._mytorch"]
    root = handin(tmp_path, *files)
    (root / "mytorch" / ".#tensor.py").symlink_to("an editor's lock")
    with zipfile.ZipFile(str(tmp_path / "x.zip"), "w") as packed:
        for file in files:
            packed.writestr(file, "")
    link = ("mytorch/.#tensor.py", tarfile.SYMTYPE, b"lock")
    archive(tmp_path / "x.tar", link, *[(file, tarfile.REGTYPE, b"") for file in files])
    for path in (root, tmp_path / "x.zip", tmp_path / "x.tar"):
        with opened(str(path)) as place:
            assert copied(place, tmp_path) == ["mytorch", "mytorch/tensor.py"]
        submission.remove(str(tmp_path / "copy"))


def test_a_copy_can_be_read_by_anybody_whatever_the_modes_and_the_mask(tmp_path):
    root = handin(tmp_path, "mytorch/nn/a.py")
    os.chmod(str(root / "mytorch" / "nn" / "a.py"), 0o600)
    os.chmod(str(root / "mytorch"), 0o700)
    before = os.umask(0o077)
    try:
        copied(root, tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "copy" / "mytorch" / "nn").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "copy" / "mytorch" / "nn" / "a.py").stat().st_mode & 0o777 == 0o644


def test_folders_nested_too_deeply_to_be_copied_are_the_submissions_fault(tmp_path):
    root = handin(tmp_path, "mytorch/a.py")
    here = os.open(str(root / "mytorch"), os.O_RDONLY)
    for _ in range(1300):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(UnusableSubmission, match="nested more than 50 deep"):
        copied(root, tmp_path)
    submission.remove(str(root))
    assert not root.exists()


def test_paths_too_long_to_be_written_are_the_submissions_fault(tmp_path):
    root = handin(tmp_path, "mytorch/" + ("n" * 200 + "/") * 5 + "a.py")
    with pytest.raises(UnusableSubmission, match="a path has more than 900 characters"):
        copied(root, tmp_path)


def test_a_full_disk_is_not_the_submissions_fault(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    root = handin(tmp_path, "mytorch/a.py")
    monkeypatch.setattr(os, "makedirs", full)
    with pytest.raises(OSError, match="No space left"):
        submission.copy(str(root), str(tmp_path / "copy"))


def test_a_folder_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "MOST_BYTES", 10)
    with pytest.raises(UnusableSubmission, match="it holds more than 100 MB"):
        copied(handin(tmp_path, "mytorch/a.py", "mytorch/b.py", "mytorch/c.py"), tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_the_submissions_fault(tmp_path):
    root = handin(tmp_path, "mytorch/a.py")
    (root / "mytorch" / "a.py").chmod(0)
    with pytest.raises(UnusableSubmission, match="a.py cannot be read"):
        copied(root, tmp_path)


# ---- what is removed

def test_removing_never_raises_and_takes_what_is_locked_or_nested_beyond_any_path(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    here = os.open(str(folder), os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", 0o700, dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (folder / "locked").mkdir()
    (folder / "locked" / "file").write_text("x")
    (folder / "locked").chmod(0)
    submission.remove(str(folder))
    assert not folder.exists()
    submission.remove(str(folder))
    submission.remove("/dev/null/nothing")


# ---- where mytorch is looked for

@pytest.mark.parametrize("paths, holder", [
    (["mytorch/tensor.py", "old/mytorch/tensor.py"], ""), (["a/b/mytorch/tensor.py"], "a/b"),
    (["mytorch/mytorch/tensor.py", "mytorch/hw1/mnist.py"], "mytorch"),  # a repository's name
    (["mytorch/autograd_engine.py", "mytorch/mytorch/tensor.py"], ""),
    (["notes.zip", "autograd_engine.py", "hw1/mytorch/tensor.py"], "hw1")])
def test_the_nearest_mytorch_in_a_folder_or_an_archive_is_graded(tmp_path, paths, holder):
    root = handin(tmp_path, *paths)
    with opened(str(root)) as place:
        assert place == str(root / holder)
    packed = archive(tmp_path / "x.tar", *[(path, tarfile.REGTYPE, b"") for path in paths])
    with opened(str(packed)) as place:
        assert os.path.isfile(os.path.join(place, os.path.relpath(paths[-1], holder or ".")))


@pytest.mark.parametrize("paths", [["autograd_engine.py", "nn/linear.py"],
                                   ["mine/autograd_engine.py", "mine/nn/linear.py"]])
def test_the_files_of_mytorch_are_a_submission_without_that_folder(tmp_path, paths):
    for path in (handin(tmp_path, *paths), archive(tmp_path / "x.tar", *[
            (path, tarfile.REGTYPE, b"") for path in paths])):
        with opened(str(path)) as place:
            assert sorted(os.listdir(os.path.join(place, "mytorch"))) == [
                "autograd_engine.py", "nn"]


@pytest.mark.parametrize("inside", ["handin.tar", "mine/handin.tar"])
def test_an_archive_may_lie_in_a_folder_or_in_another_archive(tmp_path, inside):
    root = handin(tmp_path, inside, "readme.txt")
    archive_plain(root / inside)
    with zipfile.ZipFile(str(tmp_path / "x.zip"), "w") as packed:
        packed.write(str(root / inside), inside)
    for path in (root, tmp_path / "x.zip"):
        with opened(str(path)) as place:
            assert os.path.isfile(os.path.join(place, "mytorch", "tensor.py"))
        assert not os.path.exists(place)
    archive(root / inside, ("again.tar", tarfile.REGTYPE, b""))
    assert refusal(root).endswith(f"handin/{inside} holds no folder mytorch/, nor does a folder "
                                  "in it")


@pytest.mark.parametrize("paths, text", [
    (["a.tar", "b.zip"], "2 archives: a.tar and b.zip; hand in one"),
    (["one/mytorch/x.py", "other/mytorch/x.py"],
     "2 folders mytorch/: one/mytorch and other/mytorch; hand in one"),
    (["a/autograd_engine.py", "b/autograd_engine.py"],
     "2 files autograd_engine.py: a/autograd_engine.py and b/autograd_engine.py; hand in one")])
def test_several_of_equal_right_are_refused_by_their_names(tmp_path, paths, text):
    assert text in refusal(handin(tmp_path, *paths))
    assert text in refusal(archive(tmp_path / "x.tar", *[
        (path, tarfile.REGTYPE, b"") for path in paths]))
