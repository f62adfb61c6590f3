// What happens in runs of scenarios. Every page asks for all kinds, since tabs share the stream.

import { follow } from "./live.js";

const STREAM = "/api/bindpost/v1/scenarios/stream";
const KINDS = ["begun", "phase", "step", "event", "visit", "verdict", "ended"];

/** Calls `tell({scenario, kind, phase, words, ...})` for all that happens behind `after`. */
export const followRuns = (after, tell) => follow(STREAM, KINDS, Number(after), tell);
