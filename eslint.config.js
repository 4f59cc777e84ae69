import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';

/** Folders from top to bottom: an import may point down, never up. See the table in README.md. */
const layers = [
  ['src/index.ts', 'src/library'],
  ['src/cli'],
  ['src/ui'],
  ['src/stages'],
  ['src/pipeline', 'src/distributed', 'src/training', 'src/sampling'],
  ['src/config', 'src/models', 'src/metrics', 'src/streams'],
  ['src/nn', 'src/transport', 'src/data', 'src/huggingface'],
  ['src/tensorflow'],
  ['src/http'],
  ['src/files', 'src/errors.ts', 'src/words.ts'],
];
const upward = layers.flatMap((layer, i) => {
  const above = layers.slice(0, i).flat();
  return above.length === 0
    ? []
    : layer.map((target) => ({ target: `./${target}`, from: above.map((path) => `./${path}`) }));
});

export default tseslint.config(
  { ignores: ['dist', 'runs', 'src/config/generated'] },
  js.configs.recommended,
  {
    files: ['**/*.{ts,cts}'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: ['./test/tsconfig.json'] } },
    plugins: { 'import-x': importX },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      'import-x/no-cycle': 'error',
      'import-x/no-restricted-paths': ['error', { zones: upward }],
    },
    settings: {
      'import-x/resolver-next': [
        importX.createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } }),
      ],
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', Buffer: 'readonly' },
    },
  },
);
