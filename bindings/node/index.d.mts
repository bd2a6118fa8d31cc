// What an ES module imports: the same, by name or as the default.

import * as dgram from './index.js';

export * from './index.js';
export default dgram;
