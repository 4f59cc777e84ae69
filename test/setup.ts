// Loaded by vitest before each test file.
export {};
