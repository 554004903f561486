/* SPDX-License-Identifier: Apache-2.0 */
#include "penstock_shim.h"

int ps_rte_errno(void)
{ return rte_errno; }

unsigned int ps_rte_lcore_id(void)
{ return rte_lcore_id(); }

struct rte_mbuf *ps_rte_pktmbuf_alloc(struct rte_mempool *pool)
{ return rte_pktmbuf_alloc(pool); }

int ps_rte_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{ return rte_pktmbuf_alloc_bulk(pool, mbufs, count); }

void ps_rte_pktmbuf_free(struct rte_mbuf *mbuf)
{ rte_pktmbuf_free(mbuf); }

char *ps_rte_pktmbuf_prepend(struct rte_mbuf *mbuf, uint16_t len)
{ return rte_pktmbuf_prepend(mbuf, len); }

char *ps_rte_pktmbuf_append(struct rte_mbuf *mbuf, uint16_t len)
{ return rte_pktmbuf_append(mbuf, len); }

char *ps_rte_pktmbuf_adj(struct rte_mbuf *mbuf, uint16_t len)
{ return rte_pktmbuf_adj(mbuf, len); }

int ps_rte_pktmbuf_trim(struct rte_mbuf *mbuf, uint16_t len)
{ return rte_pktmbuf_trim(mbuf, len); }

int ps_rte_pktmbuf_linearize(struct rte_mbuf *mbuf)
{ return rte_pktmbuf_linearize(mbuf); }

int ps_rte_pktmbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail)
{ return rte_pktmbuf_chain(head, tail); }

uint16_t ps_rte_pktmbuf_data_room_size(struct rte_mempool *pool)
{ return rte_pktmbuf_data_room_size(pool); }

void ps_rte_mbuf_set_tx_lens(struct rte_mbuf *mbuf, uint64_t l2_len, uint64_t l3_len,
        uint64_t l4_len)
{ mbuf->tx_offload = rte_mbuf_tx_offload(l2_len, l3_len, l4_len, 0, 0, 0, 0); }

uint16_t ps_rte_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{ return rte_eth_rx_burst(port, queue, mbufs, count); }

uint16_t ps_rte_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{ return rte_eth_tx_burst(port, queue, mbufs, count); }

uint16_t ps_rte_eth_tx_prepare(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs,
        uint16_t count)
{ return rte_eth_tx_prepare(port, queue, mbufs, count); }

#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
#define rte_eth_bond_member_add rte_eth_bond_slave_add
#define rte_eth_bond_8023ad_member_info rte_eth_bond_8023ad_slave_info
#endif

int ps_rte_eth_bond_member_add(uint16_t port, uint16_t member)
{ return rte_eth_bond_member_add(port, member); }

/* Not one line: the structure is packed in a way that bindgen cannot lay out. */
int ps_rte_eth_bond_8023ad_member_info(uint16_t port, uint16_t member, uint8_t *state,
        struct rte_ether_addr *partner)
{
    struct rte_eth_bond_8023ad_member_info info = { 0 };
    int code = rte_eth_bond_8023ad_member_info(port, member, &info);

    *state = info.actor_state;
    *partner = info.partner.system;
    return code;
}

unsigned int ps_rte_ring_sp_enqueue_burst(struct rte_ring *ring, void *const *objects,
        unsigned int count)
{ return rte_ring_sp_enqueue_burst(ring, objects, count, NULL); }

unsigned int ps_rte_ring_sc_dequeue_burst(struct rte_ring *ring, void **objects, unsigned int count)
{ return rte_ring_sc_dequeue_burst(ring, objects, count, NULL); }

unsigned int ps_rte_ring_count(const struct rte_ring *ring)
{ return rte_ring_count(ring); }

unsigned int ps_rte_ring_free_count(const struct rte_ring *ring)
{ return rte_ring_free_count(ring); }
