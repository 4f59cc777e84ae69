import './support/allclose.js';

// Loaded by vitest before each test file.
