"""What a run of the tests must say aloud at its end, whatever its verdict."""

notices: list[str] = []


def say_loudly(text: str) -> None:
    """Have the terminal summary show this, once."""
    if text not in notices:
        notices.append(text)
