"""How the relay reaches a control plane that is not imported yet."""

from collections.abc import Callable

from uvicorn._types import ASGI3Application

from polyrelay.http.admin.instance import Instance


def on_first_use(instance: Instance) -> Callable[[], ASGI3Application]:
    """A maker of the FastAPI application. Importing it costs about 40 MB, which is why it waits for the first call."""

    def make() -> ASGI3Application:
        from polyrelay.http.admin import application  # noqa: PLC0415 - the one import that waits; see above

        return application.build(instance)

    return make
