// libdgram/interfaces.

import module, { interfaces, watchInterfaces } from 'libdgram/interfaces';
import type { Interface, InterfaceEvent } from 'libdgram/interfaces';

for (const { name, index, flags, addresses } of interfaces())
  console.log(name, index + 1, flags.includes('up'), addresses[0]?.address);
const watcher = watchInterfaces((event: InterfaceEvent, { mac }: Interface) => console.log(event, mac));
watcher.unref().ref().close();
// @ts-expect-error: no such event
watchInterfaces((event: 'gone') => console.log(event));
console.log(module.interfaces().length);
