"""The page of the naive stack."""

from __future__ import annotations

import os
import sqlite3

import flask
import flask_login

app = flask.Flask(__name__)
app.secret_key = "yardstick"
login = flask_login.LoginManager(app)


@login.user_loader
def nobody(_identity: str) -> None:
    """Nobody signs in here."""


@app.get("/")
def page() -> str:
    db = sqlite3.connect(os.environ["NAIVE_DB"])
    rows = db.execute("SELECT name, value FROM reading").fetchall()
    db.close()
    return flask.render_template_string(
        "<table>{% for n, v in rows %}<tr><td>{{n}}<td>{{v}}{% endfor %}</table>", rows=rows
    )
