"""The contract between protocols and stores: interfaces, values, changes, errors."""
