// What an ES module imports: the same, by name or as the default.

import * as sim from './sim.js';

export * from './sim.js';
export default sim;
