"""Which mailboxes LIST and LSUB show, where it depends on what is below them."""

from __future__ import annotations

from tests.imap.conversation import Client, Conversation


class RecursiveMatchTests(Conversation):
    """RECURSIVEMATCH on the mailboxes of RFC 5258 section 5, example 9."""

    def example(self) -> Client:
        client = self.session(None)
        for box in ("foo2", "baz2"):
            client.ok(f"CREATE {box}")
        for level, names in {"foo2": "bar1 bar2", "baz2": "bar2 bar22 bar222", "qux2": "bar2"}.items():
            for name in names.split():
                client.ok(f"CREATE {level}.{name}")
                client.ok(f"SUBSCRIBE {level}.{name}")
        for box in ("eps2", "eps2.mamba"):
            client.ok(f"CREATE {box}")
            client.ok(f"SUBSCRIBE {box}")
        return client

    def test_example(self) -> None:
        """RFC 5258 section 5, example 9: CHILDINFO where a subscribed mailbox below is not shown, and on
        a subscribed mailbox with another one below it."""
        self.assertEqual(
            sorted(self.example().ok('LIST (RECURSIVEMATCH SUBSCRIBED) "" *2')),
            [
                '* LIST () "." foo2 (CHILDINFO ("SUBSCRIBED"))',
                '* LIST (\\Subscribed) "." baz2.bar2',
                '* LIST (\\Subscribed) "." baz2.bar22',
                '* LIST (\\Subscribed) "." baz2.bar222',
                '* LIST (\\Subscribed) "." eps2 (CHILDINFO ("SUBSCRIBED"))',
                '* LIST (\\Subscribed) "." foo2.bar2',
                '* LIST (\\Subscribed) "." qux2.bar2',
            ],
        )

    def test_chosen_mailbox_has_childinfo(self) -> None:
        """RFC 5258 section 3.5, last row of the table: who meets the criteria and has a child that does gets CHILDINFO,
        also where that child is shown."""
        self.assertIn(
            '* LIST (\\Subscribed) "." eps2 (CHILDINFO ("SUBSCRIBED"))',
            self.example().ok('LIST (RECURSIVEMATCH SUBSCRIBED) "" *'),
        )

    def test_no_status_for_children_alone(self) -> None:
        """RFC 5819 section 3: no STATUS for a mailbox that is only shown for what is below it."""
        said = self.example().ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES))')
        self.assertIn('* LIST () "." foo2 (CHILDINFO ("SUBSCRIBED"))', said)
        self.assertEqual([line for line in said if "STATUS" in line], ["* STATUS eps2 (MESSAGES 0)"])

    def test_both_criteria(self) -> None:
        """RFC 5258 section 3.1: a parent is shown for a mailbox below that meets all selection options."""
        client = self.session(None)
        client.ok("CREATE a.b (USE (\\Sent))")
        client.ok("CREATE c.d")
        for box in ("a.b", "c.d"):
            client.ok(f"SUBSCRIBE {box}")
        self.assertEqual(
            client.ok('LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" %'),
            ['* LIST (\\NonExistent) "." a (CHILDINFO ("SUBSCRIBED"))'],
        )

    def test_needs_a_base_option(self) -> None:
        """RFC 5258 section 3.1: BAD without an option that it goes with; REMOTE and SPECIAL-USE are none (RFC 6154
        section 6)."""
        client = self.session(None)
        for options in ("RECURSIVEMATCH", "REMOTE RECURSIVEMATCH", "RECURSIVEMATCH SPECIAL-USE"):
            self.assertRegex(client.tagged(f'LIST ({options}) "" *'), "^BAD", options)


class LsubTests(Conversation):
    def test_levels_only_for_percent(self) -> None:
        """RFC 3501 section 6.3.9: a name that is not subscribed is shown for "%" alone."""
        client = self.session(None)
        client.ok("CREATE a.b")
        client.ok("SUBSCRIBE a.b")
        self.assertEqual(client.ok('LSUB "" %'), ['* LSUB (\\Noselect) "." a'])
        self.assertEqual(client.ok('LSUB "" a%'), ['* LSUB (\\Noselect) "." a'])
        self.assertEqual(client.ok('LSUB "" a'), [])
        self.assertEqual(client.ok('LSUB "" *'), ['* LSUB () "." a.b'])
