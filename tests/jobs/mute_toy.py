"""A job whose module forgets to run it."""


def main(job_folder):
    assert job_folder.is_dir()
