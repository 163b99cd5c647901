// JupyterLab's own packages are ES modules; what they build on is compiled here too.
const esModules = [
  '@jupyterlab',
  '@jupyter',
  '@microsoft',
  'lib0',
  'nanoid',
  'y-protocols',
  'yjs'
].join('|');

module.exports = {
  testTimeout: 60_000, // a screen reader's check of a form takes seconds on a busy machine
  testEnvironment: 'jsdom',
  testMatch: ['<rootDir>/src/**/__tests__/*.spec.ts?(x)'],
  transform: {
    '^.+\\.(j|t)sx?$': [
      'ts-jest',
      {
        tsconfig: {
          allowJs: true,
          esModuleInterop: true,
          isolatedModules: true,
          jsx: 'react',
          module: 'commonjs',
          moduleResolution: 'node',
          target: 'ES2021'
        }
      }
    ]
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esModules})/)`]
};
