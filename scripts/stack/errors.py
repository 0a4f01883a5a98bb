"""The one error that users see: a paragraph that names the cause and the way out."""


class StackError(Exception):
    """Something the user can understand and change; shown as it is, without a traceback."""
