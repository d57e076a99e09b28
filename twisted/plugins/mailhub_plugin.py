"""Makes `twistd mailhub` known. This folder has no __init__.py: it adds to Twisted's own plugin package."""

from twisted.application.service import ServiceMaker

mailhub = ServiceMaker("mailhub", "mailhub.tap.options", "IMAP4, POP3 and LMTP on one Maildir", "mailhub")
