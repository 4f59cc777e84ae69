// Loaded by vitest before each test file.
import './support/allclose.js';
