"""Everything goes wrong at random, and nothing may be lost."""
