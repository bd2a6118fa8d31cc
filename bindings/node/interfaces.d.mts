// What an ES module imports: the same, by name or as the default.

import * as interfaces from './interfaces.js';

export * from './interfaces.js';
export default interfaces;
