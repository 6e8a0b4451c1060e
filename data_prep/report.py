"""What the programs print about a data set in the making."""

from collections.abc import Mapping, Sequence

from data_prep import manifest

LISTED = 20


def print_some(title: str, lines: Sequence[str], everything: bool) -> None:
    """Prints a title with the number of lines, and the first lines, or all of them.

    Args:
      title: what the lines are.
      lines: nothing is printed without any.
      everything: print all.
    """
    if not lines:
        return
    shown = lines if everything else lines[:LISTED]
    print(f"{title} ({len(lines)}):")
    print("\n".join(f"  {line}" for line in shown))
    if len(shown) < len(lines):
        print(f"  and {len(lines) - len(shown)} more; --dry_run lists all.")


def print_tallies(tallies: Mapping[str, Mapping[str, int]]) -> None:
    """Prints how often each word occurs, a line per title."""
    for title, words in tallies.items():
        if words:
            counted = ", ".join(f"{count} x {word}" for word, count in words.items())
            print(f"  {title.replace('_', ' ')}: {counted}")


def print_synthetic(marks: Sequence[bool], plural: str) -> None:
    """Prints how many images are synthetic by their headers, with a warning when only some are.

    Args:
      marks: of each image.
      plural: what they are called.
    """
    if manifest.is_synthetic(marks):
        print(f"  all {plural} are synthetic by Synthetic Data (0008,001C): no evidence about patients.")
    elif any(marks):
        print(
            f"warning: {sum(marks)} of {len(marks)} {plural} are synthetic by Synthetic Data (0008,001C): "
            "figures of such a mixture are no evidence about patients."
        )
