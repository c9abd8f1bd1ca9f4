"""What a visitor has on the machine is gone when they are."""

from whisper.visits import Visits


def test_all_of_a_visitor_goes_with_the_visit(tmp_path):
    visits = Visits()
    visit = visits.of("a")
    (visit.folder / "guess.wav").write_bytes(b"me")
    upload = tmp_path / "upload" / "me.wav"
    upload.parent.mkdir()
    upload.write_bytes(b"me")
    visit.adopt(upload)
    assert visits.of("a") is visit
    visits.end("a")
    assert not visit.folder.exists() and not upload.parent.exists()
    assert visit.stop.is_set()
    visits.end("a")  # nothing more to end
    assert visits.of("a") is not visit


def test_files_of_a_kind_go_before_the_others(tmp_path):
    with Visits().passing() as visit:
        paths = [tmp_path / name / "me.wav" for name in ("chunk", "upload")]
        for path in paths:
            path.parent.mkdir()
            path.write_bytes(b"me")
            visit.adopt(path, path.parent.name)
        visit.drop("chunk")
        assert [path.exists() for path in paths] == [False, True]
    assert not paths[1].exists()


def test_visitors_do_not_see_one_another(tmp_path):
    visits = Visits()
    one, other = visits.of("a"), visits.of("b")
    assert one.folder != other.folder
    visits.end("a")
    assert other.folder.exists() and not other.stop.is_set()


def test_a_visitor_who_does_nothing_is_let_go():
    visits = Visits(longest=-1)
    visit = visits.of("a")
    other = visits.of("b")
    assert not visit.folder.exists() and other.folder.exists()


def test_work_and_a_passing_visit_leave_nothing(tmp_path):
    visits = Visits()
    with visits.passing() as visit:
        with visit.scratch() as folder:
            (folder / "sound.flac").write_bytes(b"me")
        assert not folder.exists()
    assert not visit.folder.exists()
    assert list(visits.root.iterdir()) == []


def test_files_are_deleted_with_the_app():
    visits = Visits()
    root = visits.root
    visits.of("a")
    del visits
    assert not root.exists()
