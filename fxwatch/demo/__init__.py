"""A real PPO run on real EUR/USD prices, to try fxwatch on."""
