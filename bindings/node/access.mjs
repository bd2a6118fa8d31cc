import access from './access.js';

export const { AccessList } = access;
export default access;
