"""The stack, deployed by the CDK's own command into an AWS emulator that runs its functions."""
