"""try, except, else and finally, each with yields, entered and left in every way."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import sys

from mobility import resumable
from tests.corpus.cases import CLOSE, NEXT, case, send, throw, throw_class
from tests.corpus.record import Custom, op, say


@case(0)
@case(1, named="all_parts_raising_value_error")
@case(2, named="all_parts_raising_key_error")
@case(3, named="all_parts_raising_else")
@resumable
def all_parts(n):
    try:
        yield "body"
        if n == 1:
            raise ValueError("one")
        if n == 2:
            raise KeyError("two")
        yield "body goes on"
    except ValueError as error:
        yield "value error", error
        say(error)
        yield "handled"
    except (KeyError, IndexError):
        yield "lookup", sys.exc_info()[1]
    else:
        yield "else"
        if n == 3:
            raise TypeError("in else is not handled")
    finally:
        yield "finally"
        yield "finally goes on"
    yield "after"


@case()
@resumable
def handler_by_position():
    for kind in (ValueError, KeyError, OSError, ZeroDivisionError):
        try:
            raise kind("x")
        except ValueError:
            yield "first"
        except (KeyError, LookupError):
            yield "second"
        except OSError as error:
            yield "third", error
        except:
            yield "any"


@case(scripts={"thrown": [NEXT, throw(KeyError, "k"), throw(ValueError, "v"), throw(OSError, 2, "gone"), NEXT, NEXT]})
@resumable
def thrown_into_handlers():
    try:
        try:
            yield "body"
        except KeyError:
            yield "inner handler"
        finally:
            yield "inner finally"
    except ValueError as error:
        yield "outer handler", error
    finally:
        yield "outer finally"


@case()
@resumable
def bare_raise():
    try:
        try:
            raise Custom(7, hint="look")
        except Custom:
            yield "will be raised again"
            raise
    except Custom as error:
        yield error.code, error.hint, error.args, error


@case()
@resumable
def bare_raise_after_another():
    try:
        raise ValueError("outer")
    except ValueError:
        yield 1
        try:
            raise KeyError("inner")
        except KeyError:
            yield 2, sys.exc_info()[1]
        yield 3, sys.exc_info()[1]
        try:
            raise
        except ValueError as same:
            yield 4, same
    yield 5, sys.exc_info()


@case()
@resumable
def exc_info_everywhere():
    yield sys.exc_info()
    try:
        1 / 0
    except ZeroDivisionError:
        yield sys.exc_info()[1]
        yield sys.exc_info()[0], sys.exc_info()[2] is None
    yield sys.exc_info()
    try:
        yield sys.exc_info()
    finally:
        yield "finally", sys.exc_info()[1]


@case()
@resumable
def raise_from():
    try:
        try:
            yield "body"
            raise ValueError("cause")
        except ValueError as error:
            yield "handling"
            raise KeyError("effect") from error
    except KeyError as error:
        yield error
    try:
        raise (yield "raise what") or RuntimeError("r") from (yield "from what") or OSError("o")
    except (RuntimeError, TypeError) as error:
        yield error
    try:
        raise IndexError("alone") from None
    except IndexError as error:
        yield error
    try:
        try:
            raise ValueError("hidden")
        except ValueError:
            yield "handling"
            raise KeyError from None
    except KeyError as error:
        yield error


@case()
@resumable
def context_is_kept():
    try:
        raise ValueError("first")
    except ValueError:
        yield "in the handler"
        try:
            raise KeyError("second")
        except KeyError as second:
            yield second
            try:
                {}["third"]
            except LookupError as third:
                yield third
                third.__context__ = None
                yield third
    yield "after"
    raise RuntimeError("no context here")


@case()
@resumable
def uncaught_with_context():
    try:
        yield 1
        raise ValueError("first")
    except ValueError:
        yield 2
        raise Custom(1)


@case()
@resumable
def notes():
    try:
        error = ValueError("noted")
        error.add_note("written before")
        raise error
    except ValueError as caught:
        caught.add_note((yield "what to note") or "written after")
        yield caught, caught is error
        caught.extra = [1]
        raise


@case()
@resumable
def name_is_unbound_after_handler():
    error = "before"
    try:
        raise ValueError
    except ValueError as error:
        yield error
    try:
        yield error
    except UnboundLocalError as unbound:
        yield unbound


@case()
@resumable
def name_deleted_in_handler():
    try:
        raise ValueError(1)
    except ValueError as error:
        yield error
        del error
        yield "deleted", sys.exc_info()[1]
        try:
            raise
        except ValueError as error:
            yield error
        yield sys.exc_info()[1]


@case()
@resumable
def name_rebound_in_handler():
    try:
        raise ValueError(1)
    except ValueError as error:
        keep = error
        error = (yield "rebound") or "something else"
        yield error, keep is sys.exc_info()[1]
        try:
            raise
        except ValueError as again:
            yield again is keep
    try:
        error
    except NameError as unbound:
        yield unbound


@case()
@resumable
def name_shared_by_two_handlers():
    try:
        raise ValueError("outer")
    except ValueError as error:
        yield error
        try:
            raise KeyError("inner")
        except KeyError as error:
            yield error
        try:
            yield error
        except UnboundLocalError as unbound:
            yield unbound


@case()
@resumable
def handler_with_everything_inside():
    try:
        raise ValueError("start")
    except ValueError as error:
        for i in range(2):
            try:
                yield "in", i, error
                if i:
                    raise KeyError(i)
            except KeyError as inner:
                try:
                    yield "deep", inner
                finally:
                    yield "deep finally", sys.exc_info()[1]
                continue
            else:
                yield "else"
            finally:
                yield "finally", i
        raise
    finally:
        yield "outermost"


@case()
@resumable
def raise_in_else_and_handler():
    for n in range(2):
        try:
            try:
                yield n
                if n:
                    raise ValueError
            except ValueError:
                raise KeyError((yield "in handler"))
            else:
                raise IndexError((yield "in else"))
            finally:
                yield "finally"
        except LookupError as error:
            yield error


@case()
@resumable
def yields_in_except_types():
    try:
        raise KeyError("k")
    except (yield "first type") or ValueError:
        yield "no"
    except ((yield "second type") or ZeroDivisionError, (yield "third") or LookupError) as error:
        yield "yes", error
    except op(OSError):
        yield "not asked"
    try:
        raise ValueError
    except op(KeyError):
        yield "no"
    except op(ValueError):
        yield "yes"
    except op(Exception):
        yield "not asked"
    try:
        raise IndexError("i")
    except op(OSError):
        pass
    except (yield "type with a live exception", sys.exc_info()[1]) or IndexError:
        yield sys.exc_info()[1]


@case(scripts={"thrown into the type": [NEXT, throw(OSError, "t"), NEXT, NEXT]})
@resumable
def except_type_is_not_a_type():
    try:
        try:
            raise KeyError("k")
        except (yield "what type"):
            yield "never"
        finally:
            yield "finally"
    except (TypeError, OSError) as error:
        yield error


@case()
@resumable
def handler_types_evaluated_once():
    seen = []

    def kinds():
        seen.append(1)
        say("types")
        return ValueError

    try:
        raise ValueError
    except kinds():
        yield len(seen)
        yield len(seen)
    yield len(seen)


@case()
@resumable
def nested_three_deep():
    try:
        yield "a"
        try:
            yield "b"
            try:
                yield "c"
                raise ValueError("deep")
            except KeyError:
                yield "never"
            finally:
                yield "c finally"
        except IndexError:
            yield "never"
        finally:
            yield "b finally"
    except ValueError as error:
        yield "a handler", error
        try:
            raise error
        except ValueError as same:
            yield same is error
    else:
        yield "never"
    finally:
        yield "a finally"


@case()
@resumable
def loop_that_retries():
    tries = 0
    while True:
        try:
            tries += 1
            got = yield tries
            if tries < 3:
                raise ConnectionError(tries)
        except ConnectionError as error:
            say(error)
            continue
        except ValueError:
            yield "value"
            break
        else:
            return tries, got
        finally:
            say(("finally", tries))


@case(scripts={"refuses": [NEXT, CLOSE, CLOSE], "later": [NEXT, NEXT, throw_class(GeneratorExit), NEXT]})
@resumable
def refuses_to_close_once():
    try:
        yield 1
        yield 2
    except GeneratorExit:
        yield "no"
    yield "after"


@case()
@resumable
def answers_exit_with_return():
    try:
        yield 1
        yield 2
    except GeneratorExit as error:
        say(error)
        return "left"
    finally:
        say("finally")


@case()
@resumable
def answers_exit_with_error():
    try:
        yield 1
        yield 2
    except BaseException as error:
        raise Custom(3) from error


@case()
@resumable
def survives_everything():
    got = []
    for _ in range(6):
        try:
            got.append((yield len(got)))
        except Exception as error:
            got.append(error)
    return got


@case()
@resumable
def exception_kept_in_a_list():
    errors = []
    for text in ("1", "x", None):
        try:
            errors.append(int(text))
        except (ValueError, TypeError) as error:
            errors.append(error)
            yield type(error)
        yield len(errors)
    yield [type(item).__name__ for item in errors], errors[1].__context__


@case()
@resumable
def exception_cycle():
    first, second = ValueError(1), KeyError(2)
    first.__cause__, second.__cause__ = second, first
    first.itself = first
    try:
        yield "made"
        raise first
    except ValueError as error:
        yield error, error.itself is error
        raise


@case()
@resumable
def exception_class_defined_inside():
    class Local(Exception):
        def __init__(self, code):
            self.code = code

    try:
        yield "defined"
        raise Local(4)
    except Local as error:
        yield error.code, type(error) is Local
        raise


@case()
@resumable
def stop_iteration_raised():
    try:
        yield 1
        raise StopIteration("from the body")
    except StopIteration as stop:
        yield stop.value
    yield "now uncaught"
    raise StopIteration("becomes RuntimeError")


@case()
@resumable
def next_of_an_empty_iterator():
    walk = iter([1])
    yield next(walk)
    yield next(walk)


@case()
@resumable
def system_exit():
    try:
        yield 1
        sys.exit(3)
    except SystemExit as error:
        yield error.code
        raise


@case()
@resumable
def try_without_yields():
    total = 0
    for i in range(3):
        try:
            total += 6 // i
        except ZeroDivisionError:
            total += 100
            continue
        else:
            total += 1000
        finally:
            total += 10
        yield total
    return total


@case()
@resumable
def only_except_star_free_handler_passes():
    try:
        yield 1
    except ValueError:
        pass
    try:
        yield 2
    except* ValueError:
        pass
    yield 3


@case()
@resumable
def oserror_and_friends():
    for make in (
        lambda: open("/nonexistent/file"),
        lambda: b"\xff".decode(),
        lambda: "\ud800".encode(),
        lambda: int("1_"),
        lambda: __import__("no.such.module"),
        lambda: object().missing,
        lambda: compile("1 +", "text", "exec"),
    ):
        try:
            make()
        except Exception as error:
            yield type(error)
            kept = error
        yield kept.args, type(kept), str(kept) != ""
