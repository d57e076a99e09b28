"""Who a client is: users, password schemes, SASL mechanisms, the cred portal."""
