"""The console: pages of the running system, drawn on the server, at `/console` of every instance.

How a page is made:

1. A module in `pages/` has the handlers, `async def show(console: Console, request: Request) ->
   Response`, and `ROUTES`, a list of `PageRoute`. `application.py` lists the modules; `door.py`
   loads it when somebody comes.
2. A handler asks the coordinator's facade, makes the words and figures of the page in pure
   functions, and ends with `console.page(request, "name.html", section=..., title=..., ...)`.
3. A template in `templates/` extends `base.html` and uses the macros of `parts.html`. Everything is
   escaped; no script, no style and no event handler stands in a page (the content security policy
   forbids them). Drawings are SVG made in `drawing/` by pure functions that return `Markup`.
4. An act is a form made by the macro `act`; its handler ends with `console.act(...)`, which checks
   the form, remembers who acts, does it, and sends the browser back with a sentence.

All works without JavaScript. With it pages are live (`live=` of `console.page`), and keys work.
"""
