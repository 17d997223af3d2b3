from concurrent.futures import ThreadPoolExecutor

from workbench.tokens import FILE, maintenance_token


def test_a_token_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    token = maintenance_token(tmp_path)
    assert maintenance_token(tmp_path) == token
    assert len(token) >= 32
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_rotated_token_is_another_one_and_as_private(tmp_path):
    old = maintenance_token(tmp_path)
    assert maintenance_token(tmp_path, rotate=True) != old
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_an_empty_file_is_no_token(tmp_path):
    (tmp_path / FILE).write_text("")
    assert maintenance_token(tmp_path)


def test_processes_that_start_together_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        pool.map(lambda _: maintenance_token(tmp_path), range(16))
    assert maintenance_token(tmp_path) == (tmp_path / FILE).read_text().strip()
