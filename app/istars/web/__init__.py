"""The pages and the API of the card. `app.py` makes the program, `serve.py` runs it under gunicorn."""
