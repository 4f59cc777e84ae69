import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** What opens a file by its path, as functions and as the whole module. */
const plainOpens = ['open', 'readFile', 'writeFile', 'appendFile', 'copyFile', 'truncate', 'cp']
  .flatMap((name) => [name, `${name}Sync`])
  .concat(['createReadStream', 'createWriteStream', 'openAsBlob', 'promises', 'default']);

export default tseslint.config(
  { ignores: ['dist', 'runs', 'src/generated'] },
  js.configs.recommended,
  {
    files: ['**/*.{ts,cts}'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: ['./test/tsconfig.json', './src/stages/playground/browser/tsconfig.json'] },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'PrivateIdentifier', message: 'Fields and methods are `private`, as everywhere here.' },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
    },
  },
  { files: ['{src,tools}/**/*.{ts,cts,mjs}'], rules: { 'max-lines': ['error', 400] } },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/base/files.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:fs', 'node:fs/promises'].map((name) => ({
            name,
            importNames: plainOpens,
            message:
              'A pipe or a device in the place of a file would hang: use what src/base/files.ts has for it.',
          })),
        },
      ],
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    ignores: ['src/pages/assets/*'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', Buffer: 'readonly' },
    },
  },
  {
    files: ['src/pages/assets/*.js'],
    languageOptions: {
      sourceType: 'script',
      globals: Object.fromEntries(
        [
          'document',
          'location',
          'EventSource',
          'history',
          'Image',
          'innerWidth',
          'innerHeight',
          'Event',
          'setTimeout',
          'matchMedia',
          'addEventListener',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
);
