// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Writes one self-contained HTML page about other stages: curves, samples, reconstructions, configuration, timings.
 */
export interface ReportConfig {
  /**
   * Heading of the page. Default: the pipeline's name.
   */
  title?: string;
  /**
   * Stages to report on, in this order.
   */
  stages: string[];
}
