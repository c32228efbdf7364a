"""What a resumable function promises besides moving correctly: looks, names, lines, refusals, identity, errors."""
