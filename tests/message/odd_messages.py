"""Messages as the world should not send them, for tests: written by hand, and made by mutation."""

# ruff: noqa: E501 (tables of odd octets read better one a line)

from __future__ import annotations

import base64
import random

_MIME = b"MIME-Version: 1.0\n"


def _nested(depth: int) -> bytes:
    text = b"Content-Type: text/plain\n\nx\n"
    for level in range(depth):
        text = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%s\n--b%d--\n" % (level, level, text, level)
    return text


def _inside(depth: int) -> bytes:
    return b"Content-Type: message/rfc822\n\n" * depth + b"Subject: x\n\nbody\n"


_INNER = _MIME + (
    b"Subject: in\nFrom: a@b\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nI1\n--i\n"
    b"Content-Type: text/html\n\nI2\n--i--\n"
)
_DIGEST = b"Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: a\n\nb\n--x\nContent-Type: text/plain\n\nfoo\n--x--\n"

STRUCTURES = [
    b"",
    b"\n",
    b"\n\n",
    b"\nbody",
    b"Subject: no newline",
    b"Subject: header only\nTo: a@b\n",
    b"junk line\nSubject\nSubject: x\n cont\nSubject : y\n\n\nb\x00\n",
    b" leading space\nSubject: s\n\nb",
    b"A: b\nSubject : sp\nsubject\t: tab\n\n",
    b"Received: x\nSubject\n  foo: x\nTo: a@b",
    b"Subject: cr\rhere\nFrom: a\r@b\n\nbare\rcr\r\r\nend\r",
    b"Subject: x\n\n" + b"m" * 1_000_000 + b"\n",
    b"Subject: " + b"long " * 3000 + b"\n\nx\n",
    _MIME + b"Content-Type: multipart/mixed\n\nno boundary\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--a\n\n--a--\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n--a\n--a--\nepilogue\n--a\nnot a part\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\nno final\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\npre\n--a\n\nA\n--a trailing\nX: y\n\nB\n--a--trailing\nepi",
    _MIME
    + b"Content-Type: multipart/mixed; boundary=a\n\n--a\nSubject: cut\n--a\nContent-Type: message/rfc822\n--a--\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\nSubject: cut\n--a--\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n--a--\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/plain\n\n--a\n\n--a--\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n"
    b"--a--\n--a\n\ny\n--a--\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; boundary=xy\n\n"
    b"--xy\n\nA\n--xy--\n--x\n\nfoo\n--x--\n--x\n\nbar\n",
    _MIME + b"Content-Type: multipart/mixed; boundary=xy\n\n--xy\nContent-Type: multipart/alternative; boundary=x\n\n"
    b"--x\n\nA\n--x--\n--xy\n\nfoo\n--xy--\n--x\n\nbar\n",
    _MIME
    + b'Content-Type: multipart/mixed; boundary=foo\n\n--foo\nContent-Type: multipart/alternative; boundary="foo--"'
    b"\n\n--foo--\n\nA\n--foo----\n--foo--\n",
    _MIME + b'Content-Type: multipart/mixed; boundary="foo--"\n\n--foo--\nContent-Type: multipart/alternative; '
    b"boundary=foo\n\n--foo\n\nA\n--foo--\n\n--foo----\n",
    _MIME + b'Content-Type: multipart/mixed; boundary=""\n\n--\n\nA\n----\n',
    _MIME + b"Content-Type: multipart/mixed; boundary=" + b"l" * 100 + b"\n\n--" + b"l" * 80 + b"\n\nA\n",
    _MIME + b"Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\nA\n--ab--\n",
    _MIME + b'Content-Type: multipart; boundary="a"\n\n--a\n\nA\n--a--\n',
    _MIME
    + b"Content-Type: multipart/mixed; boundary=o\n\npre\n--o\nX: y\n\nO1\n--o\nContent-Type: message/rfc822\n\n"
    + _INNER
    + b"--o\nContent-Type: message/rfc822\n\nSubject: leaf\n\nL\n--o--\nepi\n",
    _MIME + b"Content-Type: message/rfc822\n\nSubject: direct\n\nD\n",
    _MIME + b"Content-Type: message/rfc822\n",
    _MIME + b"Content-Type: message/rfc822\n\n" + _DIGEST,
    _MIME + _DIGEST,
    b"Content-Type: text/html; charset=utf-8\n\nno version",
    b"Content-Transfer-Encoding: base64\nContent-Description: not mime\n\nYWJj\n",
    *(_nested(depth) for depth in (10, 99, 100, 101, 120)),
    *(_inside(depth) for depth in (10, 99, 100, 101, 120)),
    _MIME + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"".join(b"--b\n\n%d\n" % n for n in range(10_005)),
]

_ADDRESSES = (
    b'a b|a@b|<a@b>|x <a@b>|"x" <a@b>|group: a@b, c <d@e>;, f@g|group:;|group: ;|undisclosed recipients:;|a|a@|@b|<a|<a>|<>'
    b"|x <>|a@b (comment)|a b c|a, b|,|, a@b|a@b,|a@b,,c@d|<@r1,@r2:a@b>|<@r1:a@b>|<@r1 a@b>|a.b@c.d|a..b@c|a.@c|.a@c"
    b'|a . b @ c . d|"a b"@c|"a|(x|a@[1.2.3.4]|a@[1|x y z <a@b> foo, c@d|a@b c@d|a@b; c@d|g1: a@b; g2: c@d;|g: h: a@b;;'
    b"|x <a@b|x <a b@c>|=?utf-8?q?x=20y?= <a@b>|John Q. Public <a@b>|.x <a@b>|x. <a@b>|\xc3\xa9t\xc3\xa9 <a@b>|a@\xc3\xa9"
    b'|a(b)@c(d)|(n) a@b|(n1) a (n2) @ b (n3)|a@b (x\\)y)|"x\\"y" <a@b>|x\t y\n  z <a@b>|"x\n y" <a@b>|<a@b>,<c@d>'
    b'|a@b\n\t,c@d|a@b.c.|""@b|"" <a@b>|x:y <a@b>|<a@b>x|a@b@c|<a@b@c>|\\a@b|a<b@c>d|a"b"c <d@e>|g: a@b|g: a@b c; d@e'
    b'|g: <a; d@e|g "x|[x] <a@b>|x@y (a) (b)|(only)|  ||x\x00y <a@b>|"a\x00b" <c@d>|(a\x00b) c@d|c@d (a\x00b)|a@b.|a@b.,c@d'
    b'|a@b. c|a@b..c|<a@b.>|x <a@b.>, c@d|a@b. (x)|a. b@c|a .b@c|<.a@b>|"a".b@c|a."b"@c|<"a".b@c>|(nested (comment)) a@b'
    b'|(open a@b|a@b ,\n c@d|\'a\' <a@b>|a@b>|<<a@b>>|a <b> <c@d>|"a\\" <b@c>|"\\\\" <b@c>|  x  <a@b>|"a  b" <c@d>'
).split(b"|")

_TYPES = (
    b"multipart|foo|foo bar|text;|text ;x=y|text/|text/ plain|text / plain|foo/bar baz; a=b|text/plain charset=x; a=b"
    b"|text/plain;;charset=x|text/plain; a=b; a=c; charset=\"x\" y; d=e|text/plain; name*0=a; name*1*=b%20; n*=utf-8''x%41; m*2=c"
    b"|text/plain; name*1*=x; n*=utf-8''y|text/plain; a*1=2; a*0=1|text/plain; a*0*=u''1; a*1=%; a*2*=3; A*3=4"
    b'|(c) text/(d)plain (e); (f) charset=(g)utf-8 (h)|text/plain; name="a\n b"; q="\\"x"|text/plain; name==?utf-8?q?x?= y; z=1'
    b'|text/plain; name=\xc3\xa9; b=|text/plain; name=a?b/c; d=e|text/plain; =x; y|text/plain; name="unterminated; x=y'
    b'|message/rfc822; x=y|Message/RFC822|message/partial|TEXT/html|text/plain; a=b.c@d|"text"/plain|text/pl\x00ain; a=b\x00c'
    b'|text/html; charset=utf-8;|text/html; a=b; |text/html; a = b ; c="d" ;e=f|/|a/b/c|text/html;a=b;charset=|;|'
).split(b"|")

HEADERS = [
    *(b"From: a@b\nTo: " + text + b"\nSubject: x\n\n" for text in _ADDRESSES),
    *(_MIME + b"Content-Type: " + text + b"\n\nx\n" for text in _TYPES),
    *(
        _MIME + b"Content-Transfer-Encoding: " + text + b"\n\nx\n"
        for text in b"BASE64|foo bar|quoted-printable (c)|7bit;|| 8bit |(c) 8bit|8bit\n ".split(b"|")
    ),
    *(
        _MIME + b"Content-Disposition: " + text + b"\n\nx\n"
        for text in b"attachment|inline; filename=x|; filename=x|foo bar; filename=y||attachment; filename*=utf-8''a%20b".split(
            b"|"
        )
    ),
    *(
        _MIME + b"Content-Language: " + text + b"\n\nx\n"
        for text in b'en|en, de|en-US,de (x), "q"||en de|, en|en,|en,,de'.split(b"|")
    ),
    _MIME
    + b'Content-ID: <a>\nContent-ID: <b>\nContent-Description: x\n y\nContent-Location:  http://x  \nContent-MD5: "a"\n\nx\n',
    _MIME
    + b"Content-Disposition: a\nContent-Disposition: b; c=d\nContent-Disposition: e\nContent-Transfer-Encoding: x y\n"
    b"Content-Transfer-Encoding: z\nContent-Type: a/b\nContent-Type: c/d\n\n",
    b"From: a@b\nFrom: c@d\nSubject: one\nSubject: two\nMessage-ID: <1>\nMessage-ID: <2>\nDate: x\nDate: y\n\n",
    b"Sender:\nReply-To: (nobody)\nFrom: a@b\nMessage-ID: <foo\n bar>\nIn-Reply-To:\n  <x>  \nSubject:  a\n\tb  c  \nDate:   x y  \n\n",
    b'From: "a \x00b" <x\x00y@d>\nSubject: nul\x00here\nMessage-Id: a\x00b\n\nb\x00\n',
    b'Subject: a "quoted" \\ x\nDate: a "q" "q" "q"\nMessage-ID: "\\\\"\nIn-Reply-To: """""\n\n',
    b"Subject: caf\xc3\xa9\nMessage-ID: \xe9\n\n",
    b"Subject: \nDate:\nMessage-ID:   \nTo:  \n\n",
    b"Subject:\n \n\t\n x\nDate: \n\n",
    b"Subject: =?utf-8?q?x?=\nDate: \xff\xfe\nX: \xff\n\n\xff\xfe\n",
]

SEARCHED = [
    b"MIME-Version: 1.0\nSubject: topsubj\nContent-Type: multipart/mixed; boundary=bndry\n\npreamble\n--bndry\nX-Mime: mimehdr\nContent-Type: text/plain\n\nplaintext\n--bndry\nContent-Type: application/octet-stream; name=attname\n\nattachtext\n--bndry\nContent-Type: message/rfc822\n\nSubject: innersubj\n\ninnerbody\n--bndry--\nepilogue\n",
    b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nR3LDvMOfZSBuYcOvdmUg76yBbHRlciB4wrIg77yh77yiIHN0cmHDn2UgzqPOkc6jz4IgxLBzdGFuYnVsIMSxeCDHhHVuZ2xh\n",
    b"MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe soft=\nbreak tail =\n  x\n",
    b"MIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-x\n\ncaf\xe9 here\n",
    b'MIME-Version: 1.0\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?V2VsdA==?= raw\n folded line\nTo: "=?utf-8?q?quoted?=" <x@y>\nX-Multi: one\nX-Multi: two\nX-Empty:\nX-Ws:   \n\nbody multi\nline  spaced\n',
    b"MIME-Version: 1.0\nContent-Type: application/json\n\njsonbody\n",
    b"MIME-Version: 1.0\nContent-Type: message/delivery-status\n\ndsnbody\n",
    b"MIME-Version: 1.0\nContent-Type: text\n\nbaretext\n",
    b"MIME-Version: 1.0\nContent-Type: foo bar\n\nbrokentype\n",
    b"MIME-Version: 1.0\nContent-Type: text/html\n\n<p>html<b>tag</b>word &amp; x</p>\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: x-foo\n\nunkcte\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nZm9v!!YmFy\nunb64\n",
    b"MIME-Version: 1.0\nSubject: caf\xe9 rawlatin\n\nb\n",
    b"MIME-Version: 1.0\nSubject: caf\xc3\xa9 rawutf\n\nb\n",
    b"MIME-Version: 1.0\nSubject: a=?utf-8?q?embedded?=b =?utf-8?q?with space?= =?bad?x?y?= =?utf-8?q?ok?=\n\nb\n",
    b"Subject: nomime\nContent-Transfer-Encoding: base64\n\naGlkZGVuIHdvcmRz\n",
    b"MIME-Version: 1.0\nContent-Type: multipart/mixed\n\nnoboundary\n",
    b"MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogZW5jaW4KCmVuY2JvZHkK\n",
    b"MIME-Version: 1.0\nSubject: tab\ttab\n  two  spaces\n\nb\n",
    b'MIME-Version: 1.0\nSubject: s1\nX-Ws2: a  b\tc\n d\n   e\nX-Enc: =?utf-8?q?en=C3=A9?= x =?utf-8?q?a?=\n =?utf-8?q?b?=\nTo: "Doe, John" (cmt) <John.Doe@EXAMPLE.org>,\n  grp: a@b, c@d;, =?utf-8?q?J=C3=BC?= Plain <z@z>, un;closed\nReply-To: "R, q" <r@r>\nSender: "S, q" <s@s>\nResent-To: "T, q" <t@t>\nX-To: "X, q" <t@t>\n\nb\n',
    b"MIME-Version: 1.0\nSubject: s2\nTo: broken <a b>\nCc: foo\nMessage-ID:  <abc@d>  \n\nb\n",
    b"MIME-Version: 1.0\nTo: one@x\nTo: two@x\nSubject: first\nSubject: second\n\nb\n",
    b'To: "q\\"uo" <a@b>, "pl ain" <c@d>, x.y <e@f>, <@r1:g@h>, i\n\nb',
    b"MIME-Version: 1.0\nSubject: foo\n\nbody1\n",
]
"""What SEARCH is to find, or not, in bodies and fields."""

SORTED = [
    b"Subject: foo\nFrom: Zed <alice@x>\nTo: grp: zeta@q, y@z;\nCc: alice@x\nDate: 1 Jan 2010 10:00:00 +0000\n\n",
    b"Subject: Re: foo\nFrom: alice@x\nTo: Bob <bob@b>\nCc: \nDate: 2 Jan 2011 11:00:00 +0100\n\n",
    b'Subject: re:foo\nFrom: "Q" <bob@y>\nTo: x@y (name)\nCc: ALICE@x\nDate: 3 Jan 2012 12:00:00 +0200\n\n',
    b"Subject: RE [x]: foo\nFrom: grp: zeta@q, y@z;\nTo: \nCc: (cmt) z@z\nDate: 4 Jan 2013 13:00:00 +0300\n\n",
    b'Subject: Fwd: foo\nFrom: <>\nTo: "a" <x@>\nCc: grp: zeta@q, y@z;\nDate: 5 Jan 2014 14:00:00 +0400\n\n',
    b'Subject: fw: foo\nFrom: broken\nTo: "Q" <bob@y>\nCc: \xc3\x9cnal <u@x>\nDate: 6 Jan 2015 15:00:00 +0500\n\n',
    b'Subject: [list] foo\nFrom: \nTo: bob@a\nCc: "a" <x@>\nDate: 7 Jan 2016 16:00:00 +0600\n\n',
    b"Subject: [list] Re: foo\nFrom: =?utf-8?q?M=C3=BCller?= <m@x>\nTo: (cmt) z@z\nCc: Zed <alice@x>\nDate: 8 Jan 2010 17:00:00 +0700\n\n",
    b"Subject: Re: [list] foo\nFrom: \xc3\x9cnal <u@x>\nTo: broken\nCc: broken\nDate: 9 Jan 2011 18:00:00 +0800\n\n",
    b"Subject: foo (fwd)\nFrom: bob@a\nTo: a b c\nCc: Bob <bob@b>\nDate: 10 Jan 2012 19:00:00 +0000\n\n",
    b"Subject: foo(FWD) (fwd)\nFrom: Bob <bob@b>\nTo: alice@x\nCc: undisclosed-recipients:;\nDate: 11 Jan 2013 10:00:00 +0100\n\n",
    b'Subject: [Fwd: foo]\nFrom: ALICE@x\nTo: \xc3\x9cnal <u@x>\nCc: "Q" <bob@y>\nDate: 12 Jan 2014 11:00:00 +0200\n\n',
    b"Subject: [fwd: re: foo]\nFrom: a b c\nTo: undisclosed-recipients:;\nCc: =?utf-8?q?M=C3=BCller?= <m@x>\nDate: 13 Jan 2015 12:00:00 +0300\n\n",
    b'Subject: [a][b] foo\nFrom: "a" <x@>\nTo: <>\nCc: a b c\nDate: 14 Jan 2016 13:00:00 +0400\n\n',
    b"Subject: [only]\nFrom: @foo\nTo: ALICE@x\nCc: x@y (name)\nDate: 15 Jan 2010 14:00:00 +0500\n\n",
    b"Subject: [a][only]\nFrom: undisclosed-recipients:;\nTo: Zed <alice@x>\nCc: <>\nDate: 16 Jan 2011 15:00:00 +0600\n\n",
    b"Subject: Re:\nFrom: (cmt) z@z\nTo: =?utf-8?q?M=C3=BCller?= <m@x>\nCc: bob@a\nDate: 17 Jan 2012 16:00:00 +0700\n\n",
    b"Subject: Re: \nFrom: x@y (name)\nTo: @foo\nCc: @foo\nDate: 18 Jan 2013 17:00:00 +0800\n\n",
    b"Subject:   foo  bar\nFrom: Zed <alice@x>\nTo: grp: zeta@q, y@z;\nCc: alice@x\nDate: 19 Jan 2014 18:00:00 +0000\n\n",
    b"Subject: Fwd: [Fwd: foo] (fwd)\nFrom: alice@x\nTo: Bob <bob@b>\nCc: \nDate: 20 Jan 2015 19:00:00 +0100\n\n",
    b'Subject: =?utf-8?q?Re=3A_foo?=\nFrom: "Q" <bob@y>\nTo: x@y (name)\nCc: ALICE@x\nDate: 21 Jan 2016 10:00:00 +0200\n\n',
    b"Subject: R\xc3\xa9: foo\nFrom: grp: zeta@q, y@z;\nTo: \nCc: (cmt) z@z\nDate: 22 Jan 2010 11:00:00 +0300\n\n",
    b'Subject: re : foo\nFrom: <>\nTo: "a" <x@>\nCc: grp: zeta@q, y@z;\nDate: 23 Jan 2011 12:00:00 +0400\n\n',
    b'Subject: re  [b]  : foo\nFrom: broken\nTo: "Q" <bob@y>\nCc: \xc3\x9cnal <u@x>\nDate: 24 Jan 2012 13:00:00 +0500\n\n',
    b'Subject: Re[2]: foo\nFrom: \nTo: bob@a\nCc: "a" <x@>\nDate: 25 Jan 2013 14:00:00 +0600\n\n',
    b"Subject: foo re: bar\nFrom: =?utf-8?q?M=C3=BCller?= <m@x>\nTo: (cmt) z@z\nCc: Zed <alice@x>\nDate: 26 Jan 2014 15:00:00 +0700\n\n",
    b"Subject: [fwd: foo\nFrom: \xc3\x9cnal <u@x>\nTo: broken\nCc: broken\nDate: 27 Jan 2015 16:00:00 +0800\n\n",
    b"Subject: FWDD: foo\nFrom: bob@a\nTo: a b c\nCc: Bob <bob@b>\nDate: 28 Jan 2016 17:00:00 +0000\n\n",
    b"Subject: \xef\xac\x81 Re: x\nFrom: Bob <bob@b>\nTo: alice@x\nCc: undisclosed-recipients:;\nDate: 1 Jan 2010 18:00:00 +0100\n\n",
    b'Subject: re: (fwd)\nFrom: ALICE@x\nTo: \xc3\x9cnal <u@x>\nCc: "Q" <bob@y>\nDate: 2 Jan 2011 19:00:00 +0200\n\n',
    b"Subject: =?utf-8?b?w4bDpg==?=\nFrom: a b c\nTo: undisclosed-recipients:;\nCc: =?utf-8?q?M=C3=BCller?= <m@x>\nDate: 3 Jan 2012 10:00:00 +0300\n\n",
    b'Subject: \xc3\x86\nFrom: "a" <x@>\nTo: <>\nCc: a b c\nDate: 4 Jan 2013 11:00:00 +0400\n\n',
    b"Subject: aaa\nFrom: @foo\nTo: ALICE@x\nCc: x@y (name)\nDate: 5 Jan 2014 12:00:00 +0500\n\n",
    b"Subject: bbb\nFrom: undisclosed-recipients:;\nTo: Zed <alice@x>\nCc: <>\nDate: 6 Jan 2015 13:00:00 +0600\n\n",
    b"Subject: Zed\nFrom: (cmt) z@z\nTo: =?utf-8?q?M=C3=BCller?= <m@x>\nCc: bob@a\nDate: 7 Jan 2016 14:00:00 +0700\n\n",
    b"Subject: \xc3\x9fx\nFrom: x@y (name)\nTo: @foo\nCc: @foo\nDate: 8 Jan 2010 15:00:00 +0800\n\n",
    b"Subject: \nFrom: Zed <alice@x>\nTo: grp: zeta@q, y@z;\nCc: alice@x\nDate: 9 Jan 2011 16:00:00 +0000\n\n",
    b"Subject: \tfoo\nFrom: alice@x\nTo: Bob <bob@b>\nCc: \nDate: 10 Jan 2012 17:00:00 +0100\n\n",
    b'Subject: [x] [y]\nFrom: "Q" <bob@y>\nTo: x@y (name)\nCc: ALICE@x\nDate: 11 Jan 2013 18:00:00 +0200\n\n',
    b"Subject: [x] [fwd: foo]\nFrom: grp: zeta@q, y@z;\nTo: \nCc: (cmt) z@z\nDate: 12 Jan 2014 19:00:00 +0300\n\n",
    b"To: x@y\n\nno subject\n",
    b"Subject: one\nSubject: two\nFrom: a1@x\nFrom: b1@x\nDate: 1 Jan 2001 00:00 GMT\nDate: 1 Jan 2002 00:00 GMT\n\n",
    b"Subject: one\nFrom: a1@x\nDate: 1 Jun 2001 00:00 GMT\n\n",
]
"""Subjects, addresses and dates to sort by."""

DATES = [
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\nSubject: x\n\n",
    b"Date: 7 Feb 1994 21:52 +0000\nSubject: x\n\n",
    b"Date: 31 Feb 2020 10:00:00 +0000\nSubject: x\n\n",
    b"Date: 99 Jan 2020 10:00:00 +0000\nSubject: x\n\n",
    b"Date: 0 Jan 2020 10:00:00 +0000\nSubject: x\n\n",
    b"Date: 1 Jan 2020 25:00:00 +0000\nSubject: x\n\n",
    b"Date: 31 Dec 2016 23:59:60 +0000\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 EST\nSubject: x\n\n",
    b"Date: 1 Jan 20 10:00:00 GMT\nSubject: x\n\n",
    b"Date: 1 Jan 70 1:00 GMT\nSubject: x\n\n",
    b"Date: 1 Jan 120 10:00:00 GMT\nSubject: x\n\n",
    b"Date: 1 January 2020 10.00.00 GMT\nSubject: x\n\n",
    b"Date: Monday, 1 Jan 2020 10:00:00 GMT\nSubject: x\n\n",
    b"Date: Mon 1 Jan 2020 10:00:00 GMT\nSubject: x\n\n",
    b"Date: Mon,1 Jan 2020 10:00:00 GMT\nSubject: x\n\n",
    b"Date: 2020-01-01 10:00\nSubject: x\n\n",
    b"Date: (c) 1 (c) Jan 2020 10:00:00 (c) +0100 (x)\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 Z\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 A\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 +1\nSubject: x\n\n",
    b"Date: 1 Jan 2020\nSubject: x\n\n",
    b"Date: \nSubject: x\n\n",
    b"Date: garbage\nSubject: x\n\n",
    b"Date: 1 Jan 2020 23:30:00 -0500\nSubject: x\n\n",
    b"Date: 1 jan 2020 10:00:00 gmt\nSubject: x\n\n",
    b"Date: 1-Jan-2020 10:00:00 +0000\nSubject: x\n\n",
    b"Date: Thu, 01 Jan 1970 00:00:00 +0000\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 +0000 garbage\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:5:00 GMT\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:60:00 GMT\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:5 GMT\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 m\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 CDT\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 BST\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10 : 00 : 00 +0000\nSubject: x\n\n",
    b"Date: 01 Feb 2020 00:00:00 +ABCD\nSubject: x\n\n",
    b"Date: 29 Feb 2019 10:00:00 GMT\nSubject: x\n\n",
    b"Date: 30 Apr 2020 24:00:00 GMT\nSubject: x\n\n",
    b"Date: Wed, 1 Jan 2020\n 10:00:00\n +0000\nSubject: x\n\n",
    b"Date: \n 1 Jan 2020 10:00:00 +0000\nSubject: x\n\n",
    b"Date: 1 Jan 2020 10:00:00 +0000\nSubject: x\n\n",
]
"""Dates in good, obsolete and broken form."""


def _threaded() -> list[bytes]:
    """Return messages that answer each other: in order and not, with holes, loops, duplicates and odd ids."""
    rng = random.Random(5)
    made = []
    for number in range(60):
        fields = []
        if rng.random() < 0.9:
            fields.append(
                b"Message-ID: "
                + rng.choice((b"<%d@x>", b"<%d@x> junk", b"(c) < %d@x>", b'<"%d"@x>')) % (number // 2 * 2)
            )
        chain = [rng.randrange(70) for _ in range(rng.choice((0, 0, 1, 1, 2, 4)))]
        if chain:
            name = rng.choice((b"References", b"References", b"In-Reply-To"))
            fields.append(name + b": " + b" ".join(b"<%d@x>" % other for other in chain))
        subject = rng.choice((b"one", b"two", b"three", b"four", b"", b"[l] five"))
        fields.append(b"Subject: " + rng.choice((b"", b"", b"Re: ", b"Fwd: ")) + subject)
        if rng.random() < 0.9:
            fields.append(b"Date: %d Jan 2020 %02d:00:00 +0000" % (rng.randint(1, 28), rng.randint(0, 23)))
        made.append(b"\n".join(fields) + b"\n\nx\n")
    return made


THREADED = _threaded()

_SEEDS = [
    *STRUCTURES[6:11],
    *STRUCTURES[18:41],
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\nFrom: Terry Gray <gray@example.edu>\nSubject: =?utf-8?q?IMAP4rev1?= WG mtg\n"
    b'\tsummary\nTo: imap@example.edu, group: a@b, "C, D" <c@d>;\ncc: minutes@example.org (Minutes)\n'
    b"Message-Id: <B27397-0100000@example.edu>\nReferences: <a@b> <c@d>\nMIME-Version: 1.0\n"
    b"Content-Type: TEXT/HTML; CHARSET=US-ASCII; name*=utf-8''x%20y\nContent-Disposition: inline; filename=\"a b\"\n"
    b"Content-Language: en, de\nContent-Transfer-Encoding: 7BIT\n\nHello\n",
    _MIME
    + b"Content-Type: multipart/mixed; boundary=b\n\npre\n--b\nContent-Transfer-Encoding: base64\nX: y\n\n"
    + base64.b64encode(b"hello\x00\nworld")
    + b"\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\na=3Db =C3=A9 soft=\nx\n"
    b"--b\nContent-Type: message/rfc822\n\nFrom: x@y\nSubject: inner\n\nbody\n--b--\nepi\n",
]
PIECES = (
    b'"|(|)|<|>|@|,|;|:|=|?|\\|\x00|\r|\t| |.|*|/|[|]|\n|\n\n|\n |--|--b|--a|--b--|\n--b\n|\n--a\n|\n--a--\n|\xe9|\xc3\xa9|=?utf-8?q?|?='
    b"|Content-Type: |multipart/mixed; boundary=b|message/rfc822|MIME-Version: 1.0\n|Subject: |From: |\n\n--b\n"
).split(b"|")


def mutations(count: int, seed: int) -> list[bytes]:
    """Return `count` messages made by breaking others; the same ones for the same seed."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        data = rng.choice(_SEEDS)
        for _ in range(rng.randint(1, 5)):
            data = _mutate(rng, data)
        made.append(data)
    return made


def _mutate(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.randint(1, 8))
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    match rng.randrange(7):
        case 0:
            return data[:at] + rng.choice(PIECES) + data[at:]
        case 1:
            return data[:at] + rng.choice(PIECES) + data[end:]
        case 2:
            return data[:at] + data[end:]
        case 3:
            return b"\n".join(lines[:number] + lines[number + 1 :])
        case 4:
            return b"\n".join([*lines[: number + 1], *lines[number:]])
        case 5:
            lines.insert(rng.randrange(len(lines)), lines.pop(number))
            return b"\n".join(lines)
        case _:
            return data[: max(at, len(data) // 3)] if rng.random() < 0.3 else data
