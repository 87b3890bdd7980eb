"""The recorder for trainers that have callbacks: one module a framework, which imports that framework and no other."""
