export { runJob, type RunOptions } from './run-job.ts';
export { planJob, type JobPlan, type PlanJobOptions, type PlannedStream } from './plan-job.ts';
export { openDestination, openSource, classified, type ConnectorLoader, type EngineContext } from './connect.ts';
export { resetStreams } from './reset.ts';
export { awaitLease } from './lease.ts';
export type { ReportedError, RunEvent, RunReport, StreamReport } from './events.ts';
export { reported } from './report.ts';
