"""The command line: `rrr study run demo`.

What a command needs is imported when it is called, so that help comes at once.
"""

import click

from rrr_utils.study.commands import Commands, study


@click.group(cls=Commands)
@click.version_option(package_name="rrr-utils")
def main() -> None:
    """Is an image classifier right for the right reason?"""


main.add_command(study)


if __name__ == "__main__":
    main()
