import sim from './sim.js';

export const { Network, createSocket } = sim;
export default sim;
