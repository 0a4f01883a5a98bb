"""The pages that people see: pay, authenticate, manage a subscription. Tests post the same forms."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.response import Redirect

from scripts.stripe_sim import paying, portal
from scripts.stripe_sim.account import Account
from scripts.stripe_sim.checkout import lines_of
from scripts.stripe_sim.errors import ApiError
from scripts.stripe_sim.simulator import Simulator
from scripts.stripe_sim.store import Document

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1f36; background: #f6f8fa; margin: 0; }
main { max-width: 28rem; margin: 3rem auto; background: #fff; padding: 2rem; border-radius: 12px;
       box-shadow: 0 1px 4px #0002; }
h1 { font-size: 1.4rem; margin-top: 0; }
table { width: 100%; } td:last-child { text-align: right; }
label { display: block; margin: .8rem 0 .2rem; }
input[type=email], input[type=text] { width: 95%; padding: .4rem; }
button { display: block; width: 100%; margin: .5rem 0; padding: .6rem; border: 0; border-radius: 6px;
         background: #635bff; color: #fff; font: inherit; cursor: pointer; }
[role=alert] { background: #fde8e8; padding: .6rem; border-radius: 6px; } small { color: #687385; }
"""
Page = Response[str]
Incoming = Request[Any, Any, Any]


@get("/c/pay/{session_id:str}")
async def show_payment(simulator: Simulator, session_id: str) -> Page:
    """What is to be paid, and how."""
    with simulator.account.transaction():
        return _payment_page(simulator.account, simulator.account.get("checkout.session", session_id))


@post("/c/pay/{session_id:str}")
async def pay(simulator: Simulator, session_id: str, request: Incoming) -> Page | Redirect:
    """Press one of the buttons: `method` is a key of CHOICES."""
    form = await _form(request)
    account = simulator.account
    with account.transaction():
        session = account.get("checkout.session", session_id)
        choice = paying.CHOICES.get(form.get("method", "succeed"))
        if choice is None:
            return _page("Unknown choice", "<p>There is no such way to pay.</p>", 400)
        payer = paying.Payer(form.get("email") or None, form.get("name") or None)
        return _went_on(account, paying.pay(account, session, choice, payer))


@post("/c/pay/{session_id:str}/authenticate")
async def authenticate(simulator: Simulator, session_id: str, request: Incoming) -> Page | Redirect:
    """`result` is `succeed` or `fail`."""
    form = await _form(request)
    account = simulator.account
    with account.transaction():
        session = account.get("checkout.session", session_id)
        proved = form.get("result", "succeed") == "succeed"
        return _went_on(account, paying.authenticate(account, session, proved=proved))


@get("/p/session/{session_id:str}")
async def show_portal(simulator: Simulator, session_id: str) -> Page:
    """The customer's subscriptions."""
    with simulator.account.transaction():
        session = simulator.account.get("billing_portal.session", session_id)
        return _portal_page(simulator.account, session)


@post("/p/session/{session_id:str}")
async def use_portal(simulator: Simulator, session_id: str, request: Incoming) -> Redirect:
    """`subscription`, and `action`: a key of ACTIONS."""
    form = await _form(request)
    account = simulator.account
    with account.transaction():
        session = account.get("billing_portal.session", session_id)
        portal.act(account, session, form.get("subscription", ""), form.get("action", ""))
    return Redirect(f"/p/session/{session_id}", status_code=303)


def answer_with_page(_: Incoming, error: ApiError) -> Page:
    """A person asked for what is not there, or not possible any more."""
    return _page("Not possible", f"<p>{escape(str(error))}</p>", error.status)


async def _form(request: Incoming) -> dict[str, str]:
    fields = parse_qs((await request.body()).decode(errors="replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _went_on(account: Account, session: Document) -> Page | Redirect:
    if session["status"] == "open":
        problem = paying.problem_of(account, session)
        return _payment_page(account, session, 402 if problem else 200)
    url = session["success_url"] or "/"
    return Redirect(url.replace("{CHECKOUT_SESSION_ID}", session["id"]), status_code=303)


def _payment_page(account: Account, session: Document, status: int = 200) -> Page:
    if session["status"] != "open":
        return _page(f"This session is {session['status']}", "<p>There is nothing to pay here.</p>", 410)
    rows = [
        f"<tr><td>{escape(line['description'])} &times; {line['quantity']}</td>"
        f"<td>{_money(line['amount_total'], line['currency'])}</td></tr>"
        for line in lines_of(account, session)
    ]
    total = _money(session["amount_total"], session["currency"])
    problem = paying.problem_of(account, session)
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    back = session["cancel_url"]
    cancel = f'<p><a href="{escape(back)}">Back</a></p>' if back else ""
    body = f"<table>{''.join(rows)}<tr><td>Total</td><td><b>{total}</b></td></tr></table>{alert}"
    form = _authentication(session) if paying.wants_authentication(account, session) else _choices(session)
    return _page("Pay", body + form + cancel, status)


def _choices(session: Document) -> str:
    details = session["customer_details"] or {}
    email = escape(session["customer_email"] or details.get("email") or "")
    buttons = "".join(
        f'<button name="method" value="{name}">{escape(choice.label)}</button>'
        for name, choice in paying.CHOICES.items()
    )
    return (
        f'<form method="post" action="/c/pay/{session["id"]}">'
        f'<label for="email">E-mail</label><input id="email" name="email" type="email" value="{email}">'
        f'<label for="name">Name on card</label><input id="name" name="name" type="text">{buttons}</form>'
    )


def _authentication(session: Document) -> str:
    return (
        f'<form method="post" action="/c/pay/{session["id"]}/authenticate"><p>Your bank asks: is it you?</p>'
        '<button name="result" value="succeed">Yes, it is me</button>'
        '<button name="result" value="fail">Fail the authentication</button></form>'
    )


def _portal_page(account: Account, session: Document) -> Page:
    blocks = []
    for subscription in portal.subscriptions_of(account, session):
        ending = subscription["cancel_at_period_end"]
        shown = [name for name in portal.ACTIONS if name != ("cancel" if ending else "resume")]
        buttons = "".join(
            f'<button name="action" value="{name}">{escape(portal.ACTIONS[name])}</button>' for name in shown
        )
        state = "ends with the period" if ending else subscription["status"]
        blocks.append(
            f'<form method="post"><p>Subscription: {escape(state)}</p>'
            f'<input type="hidden" name="subscription" value="{subscription["id"]}">{buttons}</form>'
        )
    back = session["return_url"]
    link = f'<p><a href="{escape(back)}">Back</a></p>' if back else ""
    return _page("Your subscription", "".join(blocks) + ("" if blocks else "<p>None.</p>") + link)


def _page(title: str, body: str, status: int = 200) -> Page:
    content = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><main><h1>{escape(title)}</h1>{body}"
        "<p><small>The local Stripe simulator: no real money.</small></p></main></html>"
    )
    return Response(content, status_code=status, media_type="text/html; charset=utf-8")


def _money(amount: int, currency: str) -> str:
    return f"{amount / 100:,.2f} {currency.upper()}"


HANDLERS = (show_payment, pay, authenticate, show_portal, use_portal)
