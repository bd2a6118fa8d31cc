// What an ES module imports: the same, by name or as the default.

import * as access from './access.js';

export * from './access.js';
export default access;
