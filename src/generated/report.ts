// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Writes one self-contained HTML page about other stages: curves, samples, reconstructions, configuration, timings.
 */
export interface ReportConfig {
  /**
   * Heading of the page; the pipeline's name without it.
   */
  title?: string;
  /**
   * Stages to report on, in this order.
   */
  stages: string[];
}
