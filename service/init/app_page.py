"""Creates an app by manifest: a page on this machine that sends the form to the provider, and receives its code."""

from __future__ import annotations

import secrets
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from integrations.ports.setup import AppForm, AppRegistration, CreatedApp
from service.init.dialog import Aborted, Dialog

WAIT_SECONDS = 900.0
_PAGE = """<!doctype html><meta charset="utf-8"><title>Loopline</title>
<form method="post" action="{action}">{fields}<p>The provider shows the permissions before it creates the app.</p>
<button>Create the app</button></form>"""


def register_app(
    registration: AppRegistration, public_url: str, dialog: Dialog, wait: float = WAIT_SECONDS
) -> CreatedApp:
    """Show the page's address, wait for the code, and exchange it. Raises `Aborted` without a code in time."""
    state, received = secrets.token_hex(16), threading.Event()
    codes: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            if "code" in query and query.get("state") == [state]:
                codes.append(query["code"][0])
                self._respond("<p>The app was created. Go back to the terminal.</p>")
                received.set()
            elif urlsplit(self.path).path == "/":
                self._respond(_render(form))
            else:
                self.send_error(404)

        def _respond(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing: the dialog is on this terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    own = f"http://127.0.0.1:{server.server_port}"
    form = registration.build_form(public_url, f"{own}/created", state)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        dialog.show(f"Open {own} in a browser on this machine and create the app there.")
        if not received.wait(wait):
            raise Aborted("no app was created in time")
    finally:
        server.shutdown()
        server.server_close()
    return registration.exchange(codes[0])


def _render(form: AppForm) -> str:
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in form.fields.items()
    )
    return _PAGE.format(action=escape(form.action), fields=fields)
