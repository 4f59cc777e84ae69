/** What setting the library up tells while it works. A closed union. */
export type SetupEvent =
  | { readonly type: 'step'; readonly message: string }
  /** How far the current step is; `done` and `total` are bytes. */
  | { readonly type: 'progress'; readonly label: string; readonly done: number; readonly total: number }
  | { readonly type: 'warning'; readonly message: string };

export type SetupReport = (event: SetupEvent) => void;
