import module from './interfaces.js';

export const { interfaces, watchInterfaces } = module;
export default module;
