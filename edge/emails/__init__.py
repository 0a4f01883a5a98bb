"""E-mails: the wording of each template, and how a mail of the outbox is rendered and sent.

Which templates exist and what they are filled with is declared in `jobs.email_templates`.
"""
