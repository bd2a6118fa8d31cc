// libdgram/register puts the package in place of node:dgram for the whole process. It is imported
// for that alone.

export {};
