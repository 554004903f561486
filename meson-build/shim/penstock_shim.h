/* SPDX-License-Identifier: Apache-2.0 */
/* The functions and constants of DPDK that only its headers hold, under exported names.
 *
 * This is also the header that bindgen reads, so every DPDK header that penstock uses is here.
 */
#ifndef PENSTOCK_SHIM_H
#define PENSTOCK_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_version.h>

/* errno and lcore */
int ps_rte_errno(void);
unsigned int ps_rte_lcore_id(void);

/* mbuf */
struct rte_mbuf *ps_rte_pktmbuf_alloc(struct rte_mempool *pool);
int ps_rte_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs,
        unsigned int count);
void ps_rte_pktmbuf_free(struct rte_mbuf *mbuf);
char *ps_rte_pktmbuf_prepend(struct rte_mbuf *mbuf, uint16_t len);
char *ps_rte_pktmbuf_append(struct rte_mbuf *mbuf, uint16_t len);
char *ps_rte_pktmbuf_adj(struct rte_mbuf *mbuf, uint16_t len);
int ps_rte_pktmbuf_trim(struct rte_mbuf *mbuf, uint16_t len);
int ps_rte_pktmbuf_linearize(struct rte_mbuf *mbuf);
int ps_rte_pktmbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail);
uint16_t ps_rte_pktmbuf_data_room_size(struct rte_mempool *pool);
void ps_rte_mbuf_set_tx_lens(struct rte_mbuf *mbuf, uint64_t l2_len, uint64_t l3_len,
        uint64_t l4_len);

/* ethdev */
uint16_t ps_rte_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs,
        uint16_t count);
uint16_t ps_rte_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs,
        uint16_t count);
uint16_t ps_rte_eth_tx_prepare(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs,
        uint16_t count);

/* bonding: DPDK 23.11 says member where 22.11 says slave */
int ps_rte_eth_bond_member_add(uint16_t port, uint16_t member);
int ps_rte_eth_bond_8023ad_member_info(uint16_t port, uint16_t member, uint8_t *state,
        struct rte_ether_addr *partner);

/* ring */
unsigned int ps_rte_ring_sp_enqueue_burst(struct rte_ring *ring, void *const *objects,
        unsigned int count);
unsigned int ps_rte_ring_sc_dequeue_burst(struct rte_ring *ring, void **objects,
        unsigned int count);
unsigned int ps_rte_ring_count(const struct rte_ring *ring);
unsigned int ps_rte_ring_free_count(const struct rte_ring *ring);

/* Where the fields of an mbuf lie. */
static const size_t PS_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr);
static const size_t PS_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len);
static const size_t PS_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len);
static const size_t PS_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off);
static const size_t PS_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs);
static const size_t PS_MBUF_NEXT = offsetof(struct rte_mbuf, next);
static const size_t PS_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags);
static const size_t PS_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len);
static const size_t PS_MBUF_PORT = offsetof(struct rte_mbuf, port);
static const size_t PS_MBUF_REFCNT = offsetof(struct rte_mbuf, refcnt);
static const size_t PS_MBUF_RSS_HASH = offsetof(struct rte_mbuf, hash.rss);
static const size_t PS_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci);

/* Flags of an mbuf. */
static const uint64_t PS_MBUF_F_RX_VLAN = RTE_MBUF_F_RX_VLAN;
static const uint64_t PS_MBUF_F_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint64_t PS_MBUF_F_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;
static const uint64_t PS_MBUF_F_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t PS_MBUF_F_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t PS_MBUF_F_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t PS_MBUF_F_RX_IP_CKSUM_NONE = RTE_MBUF_F_RX_IP_CKSUM_NONE;
static const uint64_t PS_MBUF_F_RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t PS_MBUF_F_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t PS_MBUF_F_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t PS_MBUF_F_RX_L4_CKSUM_NONE = RTE_MBUF_F_RX_L4_CKSUM_NONE;
static const uint64_t PS_MBUF_F_TX_VLAN = RTE_MBUF_F_TX_VLAN;
static const uint64_t PS_MBUF_F_TX_IPV4 = RTE_MBUF_F_TX_IPV4;
static const uint64_t PS_MBUF_F_TX_IPV6 = RTE_MBUF_F_TX_IPV6;
static const uint64_t PS_MBUF_F_TX_IP_CKSUM = RTE_MBUF_F_TX_IP_CKSUM;
static const uint64_t PS_MBUF_F_TX_TCP_CKSUM = RTE_MBUF_F_TX_TCP_CKSUM;
static const uint64_t PS_MBUF_F_TX_UDP_CKSUM = RTE_MBUF_F_TX_UDP_CKSUM;
static const uint64_t PS_MBUF_F_TX_SCTP_CKSUM = RTE_MBUF_F_TX_SCTP_CKSUM;
static const uint64_t PS_MBUF_F_INDIRECT = RTE_MBUF_F_INDIRECT;
static const uint64_t PS_MBUF_F_EXTERNAL = RTE_MBUF_F_EXTERNAL;

/* Offloads of a port. */
static const uint64_t PS_RX_OFFLOAD_VLAN_STRIP = RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
static const uint64_t PS_RX_OFFLOAD_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t PS_RX_OFFLOAD_UDP_CKSUM = RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
static const uint64_t PS_RX_OFFLOAD_TCP_CKSUM = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
static const uint64_t PS_RX_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t PS_RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t PS_TX_OFFLOAD_VLAN_INSERT = RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
static const uint64_t PS_TX_OFFLOAD_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t PS_TX_OFFLOAD_UDP_CKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t PS_TX_OFFLOAD_TCP_CKSUM = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
static const uint64_t PS_TX_OFFLOAD_SCTP_CKSUM = RTE_ETH_TX_OFFLOAD_SCTP_CKSUM;
static const uint64_t PS_TX_OFFLOAD_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

/* What a port can hash on. */
static const uint64_t PS_RSS_IPV4 = RTE_ETH_RSS_IPV4;
static const uint64_t PS_RSS_FRAG_IPV4 = RTE_ETH_RSS_FRAG_IPV4;
static const uint64_t PS_RSS_NONFRAG_IPV4_TCP = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
static const uint64_t PS_RSS_NONFRAG_IPV4_UDP = RTE_ETH_RSS_NONFRAG_IPV4_UDP;
static const uint64_t PS_RSS_NONFRAG_IPV4_SCTP = RTE_ETH_RSS_NONFRAG_IPV4_SCTP;
static const uint64_t PS_RSS_NONFRAG_IPV4_OTHER = RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
static const uint64_t PS_RSS_IPV6 = RTE_ETH_RSS_IPV6;
static const uint64_t PS_RSS_FRAG_IPV6 = RTE_ETH_RSS_FRAG_IPV6;
static const uint64_t PS_RSS_NONFRAG_IPV6_TCP = RTE_ETH_RSS_NONFRAG_IPV6_TCP;
static const uint64_t PS_RSS_NONFRAG_IPV6_UDP = RTE_ETH_RSS_NONFRAG_IPV6_UDP;
static const uint64_t PS_RSS_NONFRAG_IPV6_SCTP = RTE_ETH_RSS_NONFRAG_IPV6_SCTP;
static const uint64_t PS_RSS_NONFRAG_IPV6_OTHER = RTE_ETH_RSS_NONFRAG_IPV6_OTHER;
/* bindgen 0.72 makes no constant of bit 63 itself. */
static const uint32_t PS_RSS_L3_SRC_ONLY_BIT = __builtin_ctzll(RTE_ETH_RSS_L3_SRC_ONLY);
static const uint64_t PS_RSS_L3_DST_ONLY = RTE_ETH_RSS_L3_DST_ONLY;
static const uint64_t PS_RSS_L4_SRC_ONLY = RTE_ETH_RSS_L4_SRC_ONLY;
static const uint64_t PS_RSS_L4_DST_ONLY = RTE_ETH_RSS_L4_DST_ONLY;
static const uint32_t PS_MQ_RX_NONE = RTE_ETH_MQ_RX_NONE;
static const uint32_t PS_MQ_RX_RSS = RTE_ETH_MQ_RX_RSS;
static const uint16_t PS_RETA_GROUP_SIZE = RTE_ETH_RETA_GROUP_SIZE;

static const uint8_t PS_BOND_ACTIVE_BACKUP = BONDING_MODE_ACTIVE_BACKUP;
static const uint8_t PS_BOND_8023AD = BONDING_MODE_8023AD;
static const uint8_t PS_BOND_BY_ADDRESS_AND_PORT = BALANCE_XMIT_POLICY_LAYER34;
/* Bits of a port's state (IEEE 802.1AX, 6.4.2.3). */
static const uint8_t PS_LACP_DISTRIBUTING = STATE_DISTRIBUTING;
static const uint8_t PS_LACP_DEFAULTED = STATE_DEFAULTED;

static const uint32_t PS_LOG_ERROR = RTE_LOG_ERR;
static const uint16_t PS_MAX_ETHPORTS = RTE_MAX_ETHPORTS;
static const uint16_t PS_MEMPOOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const unsigned int PS_MEMPOOL_NO_IOVA_CONTIG = RTE_MEMPOOL_F_NO_IOVA_CONTIG;
static const unsigned int PS_MEMPOOL_PRIVATE_BYTES = sizeof(struct rte_pktmbuf_pool_private);
static const uint16_t PS_MEMPOOL_NAME_BYTES = RTE_MEMPOOL_NAMESIZE;
static const uint32_t PS_RING_F_SP_ENQ = RING_F_SP_ENQ;
static const uint32_t PS_RING_F_SC_DEQ = RING_F_SC_DEQ;
static const uint32_t PS_RING_F_EXACT_SZ = RING_F_EXACT_SZ;
static const uint16_t PS_RING_NAME_BYTES = RTE_RING_NAMESIZE;
static const uint16_t PS_PKTMBUF_HEADROOM = RTE_PKTMBUF_HEADROOM;
static const int PS_SOCKET_ID_ANY = SOCKET_ID_ANY;

#endif
