import { describe, expect, test } from 'vitest'
import { accountsOf, processUser } from '../../src/rootfs/accounts.ts'

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment
www:x:33:33:www:/var/www:/usr/sbin/nologin
ann:x:1000:100::/home/ann:/bin/sh
1001:x:7:8::/seven:/bin/sh
homeless:x:9:9
short
`
const group = `root:x:0:
www:x:33:
adm:x:4:ann,www
users:x:100:
sudo:x:27:ann
again:x:27:ann
5000:x:6:
`

const root = { uid: 0, gid: 0, groups: [], home: '/root' }

describe('accounts', () => {
  test.each([
    { user: '', expected: root },
    { user: '0', expected: root },
    { user: 'root', expected: root },
    { user: 'ann', expected: { uid: 1000, gid: 100, groups: [4, 27], home: '/home/ann' } },
    { user: '1000', expected: { uid: 1000, gid: 100, groups: [4, 27], home: '/home/ann' } },
    { user: 'ann:', expected: { uid: 1000, gid: 100, groups: [4, 27], home: '/home/ann' } },
    { user: 'ann:adm', expected: { uid: 1000, gid: 4, groups: [], home: '/home/ann' } },
    { user: 'ann:4', expected: { uid: 1000, gid: 4, groups: [], home: '/home/ann' } },
    { user: '33:27', expected: { uid: 33, gid: 27, groups: [], home: '/var/www' } },
    { user: '4242', expected: { uid: 4242, gid: 0, groups: [], home: '/' } },
    { user: '4242:adm', expected: { uid: 4242, gid: 4, groups: [], home: '/' } },
    { user: ':adm', expected: { uid: 0, gid: 4, groups: [], home: '/root' } },
    // names come before numbers
    { user: '1001', expected: { uid: 7, gid: 8, groups: [], home: '/seven' } },
    { user: 'root:5000', expected: { uid: 0, gid: 6, groups: [], home: '/root' } },
    { user: 'homeless', expected: { uid: 9, gid: 9, groups: [], home: '/' } },
    { user: '2147483647', expected: { uid: 2147483647, gid: 0, groups: [], home: '/' } },
  ])("takes '$user'", ({ user, expected }) => {
    expect(accountsOf(passwd, group).find(user)).toEqual(expected)
  })

  test('knows numbers where an image has no passwd', () => {
    expect(accountsOf('', '').find('5:6')).toEqual({ uid: 5, gid: 6, groups: [], home: '/' })
    expect(accountsOf(passwd, '').find('root:0')).toEqual(root)
  })

  test.each(['nobody', 'ann:wheel', '-1', '2147483648', '0:4294967296', 'ann:adm:x'])(
    "does not know '%s'",
    (user) => {
      expect(accountsOf(passwd, group).find(user)).toBeUndefined()
    },
  )

  test('are none where the files are missing', () => {
    expect(accountsOf('', '').find('root')).toBeUndefined()
  })

  test.each([
    { user: 'ann', groups: [100, 4, 27] },
    { user: 'www', groups: [33, 4] },
    { user: '4242:adm', groups: [4] },
  ])("run '$user' with its own group among the others", ({ user, groups }) => {
    const account = accountsOf(passwd, group).find(user)!
    expect(processUser(account)).toEqual({ uid: account.uid, gid: account.gid, groups })
  })
})
