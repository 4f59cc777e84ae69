/** The part of jasmine-core, which has no types of its own, that runs specs. */
declare module 'jasmine-core' {
  interface SpecResult {
    readonly fullName: string;
    readonly status: string;
    readonly failedExpectations: readonly { readonly message: string }[];
  }

  interface Environment {
    configure(options: {
      readonly random?: boolean;
      readonly forbidDuplicateNames?: boolean;
      readonly specFilter?: (spec: { getFullName(): string }) => boolean;
    }): void;
    addReporter(reporter: { readonly specDone: (result: SpecResult) => void }): void;
    execute(): Promise<{ readonly overallStatus: string }>;
  }

  const jasmineCore: {
    /** Installs jasmine's globals. */
    boot(): { getEnv(): Environment };
  };
  export default jasmineCore;
}
