"""What the command line does beyond serving: each command once, composed from the same rooms as the service."""
