// What an ES module imports: the same, by name or as the default.

import * as promises from './promises.js';

export * from './promises.js';
export default promises;
